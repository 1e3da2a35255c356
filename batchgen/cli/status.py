"""``batchgen status``: the state of a run folder, also during a run."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING

from batchgen.cli.shared_options import Folder
from batchgen.wording import counted

if TYPE_CHECKING:
    from batchgen.store.ledger.reader import Each


def status(folder: Folder) -> None:
    """Show the state of a run folder: what is stored, what failed, what it cost, and whether a run is going on."""
    from batchgen.cli.reason_text import kept
    from batchgen.commands.job import run_folder_at
    from batchgen.money import dollars
    from batchgen.store.folder.lock import holder
    from batchgen.store.ledger import names
    from batchgen.store.ledger.reader import Reader

    place = run_folder_at(folder)
    with closing(Reader(place.ledger)) as reader:
        counts, reused, spent, last = reader.count(), reader.count_reused(), reader.spent(), reader.last_run()
        each = reader.each()
        deleted, orphans, unread = names.deleted(reader.db), reader.orphans(), reader.count_unread()
    running = holder(place.lock)
    lines = [f"{folder}: {f'running ({running})' if running else 'not running'}"]
    if last is not None:
        linked = f", {reused:,} reused (linked, $0)" if reused else ""
        sent = counted(sum(counts.values()) - reused, "request")
        lines.append(f"  {sent} sent so far{linked}; {last.planned:,} planned")
    lines += [f"    {state:<9} {count:>9,}" for state, count in sorted(counts.items())]
    lines.append(f"  billed {dollars(spent.billed_microusd)}")
    lines.append(f"  maybe billed {dollars(spent.maybe_microusd)}")
    lines.append(f"  estimated {dollars(spent.estimated_microusd)}")
    lines += map(_each, each)
    if unread:
        holds = "holds" if unread == 1 else "hold"
        lines.append(
            f"  {counted(unread, 'kept answer')} {holds} no picture that batchgen knows; every run reads again"
        )
    if orphans and orphans.kept:
        lines.append(f"  {kept(orphans)}")
    if deleted:
        lines.append(f"  {counted(len(deleted), 'file')} deleted by hand; `batchgen restore {folder}` brings back")
    if last is not None and not running:
        how = "was killed" if last.exit_code is None else f"ended with exit code {last.exit_code}"
        lines.append(f"  the last run {how}{f': {last.reason}' if last.reason else ''}")
    sys.stdout.write("\n".join(lines) + "\n")


def _each(found: Each) -> str:
    """Return what a request costs and takes on average, and where both figures come from."""
    from batchgen.money import dollars
    from batchgen.store.ledger.transitions import STATED

    about = "" if found.cost_source in STATED else "\u2248 "
    price = "an unknown price" if found.cost_source is None else f"{about}{dollars(found.cost_microusd)}"
    parts = [f"{counted(found.requests, 'request')} at {price} on average, priced by {found.cost_source or 'nobody'}"]
    if found.latency_ms is not None:
        whose = "as the service states" if found.latency_source == "service" else "by the request's own time"
        parts.append(f"{found.latency_ms / 1000:.1f} s {whose}")
    return f"    {'; '.join(parts)}"
