"""``batchgen status``: where a run stands, also while it runs."""

from __future__ import annotations

import sys
from contextlib import closing

from batchgen.cli.shared_options import Folder


def status(folder: Folder) -> None:
    """Show the state of a run folder: what is stored, what failed, what it cost, and whether a run is going on."""
    from batchgen.money import dollars
    from batchgen.store.folder.lock import holder
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.folder.trashed import size_of_trash
    from batchgen.store.ledger.reader import Reader

    place = RunFolder(folder)
    with closing(Reader(place.ledger)) as reader:
        counts, reused, spent, last = reader.count(), reader.count_reused(), reader.spent(), reader.last_run()
        trash = size_of_trash(reader.db, place)
    running = holder(place.lock)
    lines = [f"{folder}: {f'running ({running})' if running else 'not running'}"]
    if last is not None:
        linked = f", {reused:,} reused (linked, $0)" if reused else ""
        sent = _counted(sum(counts.values()) - reused, "request")
        lines.append(f"  {sent} sent so far{linked}; {last.planned:,} planned")
    lines += [f"    {state:<9} {count:>9,}" for state, count in sorted(counts.items())]
    lines.append(f"  billed {dollars(spent.billed_microusd)}")
    lines.append(f"  maybe billed {dollars(spent.maybe_microusd)}")
    lines.append(f"  estimated {dollars(spent.estimated_microusd)}")
    if trash.pictures:
        lines.append(f"  in the trash: {_counted(trash.pictures, 'picture')}, {_size(trash.bytes)}, {place.trash}")
    if last is not None and not running:
        how = "was killed" if last.exit_code is None else f"ended with exit code {last.exit_code}"
        lines.append(f"  the last run {how}{f': {last.reason}' if last.reason else ''}")
    sys.stdout.write("\n".join(lines) + "\n")


def _counted(number: int, what: str) -> str:
    """``1 picture`` or ``2 pictures``."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _size(number: int) -> str:
    """``640 bytes``, ``12.5 kB``, ``3.1 MB`` or ``1.2 GB``."""
    if number < 1000:
        return f"{number} bytes"
    amount, unit = number / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if amount < 999.95:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:,.1f} {unit}"
