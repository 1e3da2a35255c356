"""Rows of a job, from whichever kind of file they come."""

from __future__ import annotations

from pathlib import Path

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.file_kinds import refuse_other_kind, rows_kind
from batchgen.manifest.row_files import Piped, RowFile, refuse_broken_packing, row_suffix
from batchgen.manifest.rows.csv import CsvRows, open_csv
from batchgen.manifest.rows.inline import InlineRows
from batchgen.manifest.rows.interface import Row, Rows
from batchgen.manifest.rows.jsonl import JsonlRows
from batchgen.manifest.rows.text import TextRows
from batchgen.manifest.text_files import refuse_unless_readable
from batchgen.wording import printable

SUFFIXES = (".csv", ".tsv", ".jsonl", ".txt")

__all__ = ["SUFFIXES", "CsvRows", "InlineRows", "Row", "Rows", "TextRows", "open_rows", "piped_rows"]


def open_rows(path: Path, file: str, place: str = "", *, declared: frozenset[str] = frozenset()) -> Rows:
    """Return the rows of a file. ``file`` names it in messages; ``place`` is the location that asks for it.

    ``declared`` are the parameters that the service takes beside those that every one has.
    Raise :class:`ManifestError` if it can't be read, is of no known type, has a broken header, or has no rows.
    """
    file = printable(file)
    suffix = row_suffix(path)
    if suffix not in SUFFIXES:
        if path.is_file():
            refuse_other_kind(path, suffix, file, place)
        message = f"{file} is of no known type; rows come from {', '.join(SUFFIXES)}"
        raise ManifestError([Problem(message, place or file)])
    refuse_unless_readable(path, file, place)
    refuse_broken_packing(path, file, place)
    return _opened(path, file, suffix, place, declared)


def piped_rows(piped: Piped, file: str, *, declared: frozenset[str] = frozenset()) -> Rows:
    """Return the rows of what was piped in: JSONL, CSV with a header that names the prompt, or one prompt a line."""
    return _opened(piped, file, rows_kind(piped), "", declared)


def _opened(path: RowFile, file: str, suffix: str, place: str, declared: frozenset[str]) -> Rows:
    refuse_other_kind(path, suffix, file, place)
    rows = _rows_of(path, file, suffix, declared)
    if not _has_a_row(rows):
        only = "every line begins with # or //, which makes it a comment" if suffix == ".txt" else ""
        raise ManifestError([Problem("the file has no rows: nothing to generate", file, only)])
    return rows


def _rows_of(path: RowFile, file: str, suffix: str, declared: frozenset[str]) -> Rows:
    if suffix == ".jsonl":
        return JsonlRows(path, file, declared)
    return TextRows(path, file) if suffix == ".txt" else open_csv(path, file, declared)


def _has_a_row(rows: Rows) -> bool:
    """Return whether there is a first row; a broken one is reported when the rows are read."""
    try:
        return next(iter(rows), None) is not None
    except ManifestError:
        return True
