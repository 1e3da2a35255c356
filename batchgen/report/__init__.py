"""Reports from a ledger: on the terminal, as report.html and report.csv, and as summary.json.

They need neither manifest nor key, and change nothing in the ledger: any run folder will do, also during a run.
"""

from __future__ import annotations

from pathlib import Path

from batchgen.report.frame import read_frame
from batchgen.report.reading import Report, read_report
from batchgen.report.summary import Summary
from batchgen.report.terminal import print_report
from batchgen.store.folder.atomic import replace_synced
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import snapshot
from batchgen.store.looks.flags import read_checks

__all__ = ["Report", "Summary", "print_report", "reported", "summarise", "write_report"]


def write_report(folder: RunFolder, *, into: Path | None = None) -> Report:
    """Write report.csv, report.html and summary.json, each in one step, and return what they say.

    They stand in the run folder, or ``into`` another one.
    Raises :class:`LedgerDamaged` if there is no ledger to read.
    """
    from batchgen.report.csv import write_csv
    from batchgen.report.html import page

    place = into or folder.root
    with snapshot(folder.ledger) as db:
        frame = read_frame(db)
        report = read_report(db, frame, folder, read_checks(db, folder))
        write_csv(db, frame, report.checks, place / "report.csv")
    replace_synced(place / "report.html", page(report))
    replace_synced(place / "summary.json", report.summary.to_json())
    return report


def reported(folder: RunFolder) -> Report:
    """Return the report without writing anything. Raises :class:`LedgerDamaged`."""
    with snapshot(folder.ledger) as db:
        return read_report(db, read_frame(db), folder, read_checks(db, folder))


def summarise(folder: RunFolder) -> Summary:
    """Return the content of summary.json without writing anything. Raises :class:`LedgerDamaged`."""
    return reported(folder).summary
