"""``batchgen report``: rebuilds what is derived from the ledger of a run folder."""

from __future__ import annotations

import sys

from batchgen.cli.options import Folder


def report(folder: Folder) -> None:
    """Rebuild report.html, report.csv, summary.json and metadata.jsonl; needs neither manifest nor key."""
    from rich.console import Console

    from batchgen.report import print_report, write_report
    from batchgen.store.dataset import write_dataset
    from batchgen.store.folder import RunFolder

    place = RunFolder(folder)
    written = write_report(place)
    write_dataset(place)
    print_report(written, Console())
    sys.stderr.write(f"written: {folder / 'report.html'}, report.csv, summary.json, metadata.jsonl\n")
