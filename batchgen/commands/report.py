"""Writes what is derived from the ledger of a run folder: report, summary and dataset files."""

from __future__ import annotations

from batchgen.report import Report, write_report
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.folder.run_folder import RunFolder


def write_derived(folder: RunFolder, *, look: bool = False) -> Report:
    """Write the derived files and return the report; ``look`` at pictures that nobody looked at yet, for a while."""
    # Nobody who stopped a run waits for advice, and a disk that failed takes no thumbnails.
    if look:
        from batchgen.store.looks.update import AFTER_A_RUN_S, look_at_new

        look_at_new(folder, within_s=AFTER_A_RUN_S)
    report = write_report(folder)
    write_dataset(folder, report.checks)
    return report
