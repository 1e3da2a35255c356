"""Rows of a job, from whichever kind of file they come."""

from __future__ import annotations

from pathlib import Path

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.rows.csv import CsvRows, open_csv
from batchgen.manifest.rows.inline import InlineRows
from batchgen.manifest.rows.interface import Row, Rows
from batchgen.manifest.rows.jsonl import JsonlRows
from batchgen.manifest.rows.text import TextRows
from batchgen.manifest.text_files import refuse_unless_readable
from batchgen.wording import printable

SUFFIXES = (".csv", ".tsv", ".jsonl", ".txt")

__all__ = ["SUFFIXES", "CsvRows", "InlineRows", "Row", "Rows", "TextRows", "open_rows"]


def open_rows(path: Path, file: str, place: str = "") -> Rows:
    """Return the rows of a file. ``file`` names it in messages; ``place`` is the location that asks for it.

    Raise :class:`ManifestError` if it can't be read, is of no known type, has a broken header, or has no rows.
    """
    file = printable(file)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        message = f"{file} is of no known type; rows come from {', '.join(SUFFIXES)}"
        raise ManifestError([Problem(message, place or file)])
    refuse_unless_readable(path, file, place)
    rows = _opened(path, file, suffix)
    if not _has_a_row(rows):
        raise ManifestError([Problem("the file has no rows: nothing to generate", file)])
    return rows


def _opened(path: Path, file: str, suffix: str) -> Rows:
    if suffix == ".jsonl":
        return JsonlRows(path, file)
    return TextRows(path, file) if suffix == ".txt" else open_csv(path, file)


def _has_a_row(rows: Rows) -> bool:
    """Return whether there is a first row; a broken one is reported when the rows are read."""
    try:
        return next(iter(rows), None) is not None
    except ManifestError:
        return True
