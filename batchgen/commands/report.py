"""Writes what is derived from the ledger of a run folder: report, summary and dataset files."""

from __future__ import annotations

from collections.abc import Callable

from batchgen.report import Report, write_report
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.folder.run_folder import RunFolder

# What is derived from a ledger, and put into a bucket beside its pictures.
DERIVED = (
    "README.md",
    "metadata.jsonl",
    "dataset.parquet",
    "failures.jsonl",
    "summary.json",
    "report.html",
    "report.csv",
)


def write_derived(folder: RunFolder, *, listen: Callable[[str, int, int], None] = lambda *_: None) -> Report:
    """Write the derived files and return the report.

    ``listen`` gets each step, and how much of it is done of how much, if that can be counted.
    """
    listen("writing the report", 0, 0)
    report = write_report(folder)
    listen("writing metadata.jsonl", 0, 0)
    write_dataset(folder, report.checks)
    return report
