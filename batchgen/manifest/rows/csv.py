"""Rows of a CSV or TSV file: the header names the columns, and every value stays the text it is."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TextIO

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.cell_texts import is_quoted_after_blank
from batchgen.manifest.column_names import column_problem
from batchgen.manifest.row_files import RowFile, open_text, row_suffix
from batchgen.manifest.rows.interface import Broken, Row, file_fingerprint, given
from batchgen.manifest.text_files import not_utf8
from batchgen.manifest.values import Value
from batchgen.wording import shown

# A data URI of 25 MB, which is the most that a picture may have, takes a third more as base64; several stand in a cell.
LARGEST_CELL = 16 * 34_000_000
csv.field_size_limit(LARGEST_CELL)


@dataclass(frozen=True, slots=True)
class CsvRows:
    """The rows below the ``header``, by its file and line, of ``path``; ``file`` is its name in messages.

    ``declared`` are further parameters. ``unnamed`` columns at the right end of the header may stand empty.
    """

    path: RowFile
    file: str
    columns: tuple[str, ...]
    delimiter: str
    quoting: int
    skips_spaces: bool
    header: str = ""
    unnamed: int = 0
    declared: frozenset[str] = frozenset()

    def __iter__(self) -> Iterator[Row]:
        broken = Broken()
        with _reading(self.path, self.file, broken) as lines:
            yield from self._rows(self._reader(lines), broken)
        broken.raise_if_any()

    def count(self) -> int:
        with _reading(self.path, self.file, Broken()) as lines:
            return sum(1 for fields in self._reader(lines) if any(fields)) - 1

    def fingerprint(self) -> str:
        return file_fingerprint(self.path)

    def _reader(self, lines: _Lines) -> Any:
        return lines.reader(delimiter=self.delimiter, quoting=self.quoting, skipinitialspace=self.skips_spaces)

    def _rows(self, reader: Any, broken: Broken) -> Iterator[Row]:
        # This loop runs once per row of a file that may have a million: what is rare is kept out of the loop.
        columns, width, file = self.columns, len(self.columns), self.file
        lists = "image" in columns
        next(filter(any, reader), None)
        number, end = 0, reader.line_num
        for fields in reader:
            line, end = end + 1, reader.line_num
            if len(fields) != width:
                if not any(fields):
                    continue
                # Spreadsheets write columns that were once in use, and are empty now.
                if len(fields) < width or any(fields[width:]):
                    number += 1
                    self._wrong_width(number, fields, f"{file}:{line}", broken)
                    continue
                fields = fields[:width]  # noqa: PLW2901
            values = dict(zip(columns, fields))  # noqa: B905 - they were counted, and it costs a tenth of the loop
            if "" in fields:
                if not any(fields):
                    continue
                values = given(values, self.declared)
            number += 1
            if lists and ("|" in (image := values.get("image", "")) or image.startswith("[")):
                values = _with_list(values, f"{file}:{line}", broken)
            yield Row(number, file, line, values)

    def _wrong_width(self, number: int, fields: list[str], place: str, broken: Broken) -> None:
        width = len(self.columns)
        counted = "1 field" if len(fields) == 1 else f"{len(fields)} fields"
        message = f"row {number} has {counted}, the header has {width}"
        if len(fields) < width:
            broken.add(place, message, f"no value for {shown(self.columns[len(fields)])}")
        elif len(fields) <= width + self.unnamed:
            column = next(index for index in range(width, len(fields)) if fields[index])
            message = (
                f"column {column + 1} of the header has no name, and row {number} has {shown(fields[column])} there"
            )
            broken.once(self.header, message, "name it or remove the column", key=f"column {column}")
        elif any(is_quoted_after_blank(field.partition(self.delimiter)[0] + '"') for field in fields):
            broken.add(place, message, f"write a quote right after the {shown(self.delimiter)}, without a blank")
        else:
            broken.add(place, message, f"put quotes around a value that holds {shown(self.delimiter)}")


def open_csv(path: RowFile, file: str, declared: frozenset[str] = frozenset()) -> CsvRows:
    """Return the rows of a CSV or TSV file. Raise :class:`ManifestError` if its header is broken."""
    delimiter = _delimiter(path, file)
    quoting = _quoting(path, file, delimiter)
    with _reading(path, file, Broken()) as lines:
        reader = lines.reader(delimiter=delimiter, quoting=quoting)
        header = next(filter(any, reader), None)
        line = reader.line_num
    if header is None:
        raise ManifestError([Problem("the file has no header and no rows", file)])
    written = tuple(name.strip() for name in header)
    names = written[: max(position for position, name in enumerate(written, 1) if name)] if any(written) else written
    problems = [Problem(*found) for found in _header_problems(names, f"{file}:{line}", declared)]
    if problems:
        raise ManifestError(problems)
    spaced = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    return CsvRows(
        path,
        file,
        names,
        delimiter,
        quoting,
        skips_spaces=spaced,
        header=f"{file}:{line}",
        unnamed=len(written) - len(names),
        declared=declared,
    )


def _header_problems(names: tuple[str, ...], place: str, declared: frozenset[str]) -> Iterator[tuple[str, str, str]]:
    if names[0].lower() == "sep=":
        yield "'sep=' is Excel's own line and no header", place, "remove it; the separator is found without it"
        return
    seen: set[str] = set()
    for position, name in enumerate(names, start=1):
        if not name:
            yield f"column {position} of the header has no name", place, "name it or remove the column"
        elif name in seen:
            yield f"column {position} of the header repeats {shown(name)}", place, "rename one of the two"
        elif problem := column_problem(name, declared):
            yield problem, place, "is the file UTF-16? save it as UTF-8" if "\0" in name else ""
        seen.add(name)


def _delimiter(path: RowFile, file: str) -> str:
    """Return the tab for a ``.tsv``; else whichever of comma, semicolon and tab the header has most of."""
    if row_suffix(path) == ".tsv":
        return "\t"
    with _reading(path, file, Broken()) as lines:
        first = next((line for line in lines.text if line.strip()), "")
    bare = re.sub(r'"[^"]*"', "", first)
    return max(",;\t", key=bare.count)


def _quoting(path: RowFile, file: str, delimiter: str) -> int:
    """Return whether quotes mean anything: in tab-separated text as IANA registers it they are ordinary characters.

    Spreadsheets quote such files all the same, so a file whose every line is a whole row is read without quotes only
    if reading it with quotes gives other rows.
    """
    if delimiter != "\t":
        return csv.QUOTE_MINIMAL
    with _reading(path, file, Broken()) as lines:
        widths = [line.count("\t") for line in lines.text if line.strip('" \t\r\n')]
    if len(set(widths)) > 1 or len(widths) == _rows_with_quotes(path):
        return csv.QUOTE_MINIMAL
    return csv.QUOTE_NONE


def _rows_with_quotes(path: RowFile) -> int:
    with open_text(path, newline="") as text:
        try:
            reader = csv.reader(text, delimiter="\t", strict=True)
            # A row of blanks is none for the other count either.
            return sum(1 for fields in reader if any(map(str.strip, fields)))
        except csv.Error:
            return 0


@dataclass(slots=True)
class _Lines:
    """An open file, and the reader that works through it."""

    text: TextIO
    csv: Any = None

    def reader(self, **dialect: Any) -> Any:
        self.csv = csv.reader(self.text, strict=True, **dialect)
        return self.csv


@contextmanager
def _reading(path: RowFile, file: str, broken: Broken) -> Iterator[_Lines]:
    """Yield the open file; raise :class:`ManifestError` with a line for what its decoder or the CSV reader raises."""
    with open_text(path, newline="") as text:
        lines = _Lines(text)
        try:
            yield lines
        except UnicodeDecodeError:
            raise not_utf8(path, file) from None
        except csv.Error as error:
            raise _unreadable(path, file, broken, error, lines.csv) from None


def _unreadable(path: RowFile, file: str, broken: Broken, error: csv.Error, reader: Any) -> ManifestError:
    last, begun = reader.line_num, _row_that_fails(path, reader.dialect)
    if "field larger" in str(error):
        message = f"a value of the row that begins here has more than {csv.field_size_limit():,} characters"
    elif "unexpected end" in str(error):
        message = "a quote that opens in the row that begins here is never closed"
    else:
        message = f"a quote that opens in the row that begins here is closed wrongly on line {last} ({error})"
    return broken.fatal(f"{file}:{begun}", message, 'is a quote unbalanced? write "" for one inside a quoted value')


def _row_that_fails(path: RowFile, dialect: Any) -> int:
    """Return the line on which the row begins that the CSV reader fails on."""
    begun = 1
    with open_text(path, newline="") as text:
        reader = csv.reader(text, dialect)
        try:
            for _ in reader:
                begun = reader.line_num + 1
        except csv.Error:
            pass
    return begun


def _with_list(values: Mapping[str, Value], place: str, broken: Broken) -> dict[str, Value]:
    """Return the values with each picture of the cell on its own, split at bars or read as a JSON list."""
    written = str(values["image"])
    images: object = _json(written) if written.startswith("[") else [one.strip() for one in written.split("|")]
    if not isinstance(images, list) or not images or not all(isinstance(one, str) and one for one in images):
        message = (
            f'image must be one path, several as a.png|b.png, or a list ["a.png", "b.png"], found {shown(written)}'
        )
        broken.add(place, message)
        return {name: value for name, value in values.items() if name != "image"}
    return {**values, "image": tuple(images)}


def _json(text: str) -> object:
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found
