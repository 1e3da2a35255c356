"""``batchgen status``: where a run stands, also while it runs."""

from __future__ import annotations

import sys
from contextlib import closing

from batchgen.cli.options import Folder


def status(folder: Folder) -> None:
    """Show the state of a run folder: what is stored, what failed, what it cost, and whether a run is going on."""
    from batchgen.money import dollars
    from batchgen.store.folder import RunFolder
    from batchgen.store.ledger import Reader
    from batchgen.store.lock import holder

    place = RunFolder(folder)
    with closing(Reader(place.ledger)) as reader:
        counts, spent, last = reader.count(), reader.spent(), reader.last_run()
    running = holder(place.lock)
    lines = [f"{folder}: {f'running ({running})' if running else 'not running'}"]
    if last is not None:
        lines.append(f"  {sum(counts.values()):,} of {last.planned:,} planned requests were sent so far")
    lines += [f"    {state:<9} {count:>9,}" for state, count in sorted(counts.items())]
    lines.append(f"  billed {dollars(spent.billed_microusd)}")
    lines.append(f"  maybe billed {dollars(spent.maybe_microusd)}")
    lines.append(f"  estimated {dollars(spent.estimated_microusd)}")
    if last is not None and not running:
        how = "was killed" if last.exit_code is None else f"ended with exit code {last.exit_code}"
        lines.append(f"  the last run {how}{f': {last.reason}' if last.reason else ''}")
    sys.stdout.write("\n".join(lines) + "\n")
