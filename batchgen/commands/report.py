"""Writes what is derived from the ledger of a run folder: report, summary and dataset files."""

from __future__ import annotations

from collections.abc import Callable

from batchgen.report import Report, write_report
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.folder.run_folder import RunFolder


def write_derived(
    folder: RunFolder, *, look: bool = False, listen: Callable[[str, int, int], None] = lambda *_: None
) -> Report:
    """Write the derived files and return the report; ``look`` at pictures that nobody looked at yet, for a while.

    ``listen`` gets each step, and how much of it is done of how much, if that can be counted.
    """
    # Nobody who stopped a run waits for advice, and a disk that failed takes no thumbnails.
    if look:
        from batchgen.store.looks.update import AFTER_A_RUN_S, look_at_new

        step = "looking at new pictures"
        listen(step, 0, 0)
        look_at_new(folder, within_s=AFTER_A_RUN_S, listen=lambda done, wanted: listen(step, done, wanted))
    listen("writing the report", 0, 0)
    report = write_report(folder)
    listen("writing metadata.jsonl", 0, 0)
    write_dataset(folder, report.checks)
    return report
