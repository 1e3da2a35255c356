"""The values of an axis given as a range, a column of a file, or a glob."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from batchgen.errors import ManifestError, Problem, nearest
from batchgen.manifest.document import DataPath, Document, Mistake
from batchgen.manifest.globs import files_of, left_out, titles_of
from batchgen.manifest.jobfile import FileSection, FilesSection, RangeSection, Section
from batchgen.manifest.ranges import numbers
from batchgen.manifest.row_files import refuse_address
from batchgen.manifest.rows import Row, Rows, TextRows, open_rows
from batchgen.manifest.schema_errors import dotted, finding
from batchgen.manifest.text_files import inside
from batchgen.manifest.text_lines import left_out_lines
from batchgen.wording import counted, printable, shown

# More values than this belong under `rows:`, which are streamed.
MOST_VALUES = 100_000


@dataclass(frozen=True, slots=True)
class Listed:
    """The document with every axis written out, and the mistakes in it and in the files that it names.

    Axes that could not be read are left out. ``notices`` tell what is odd and stops nothing.
    """

    document: Document
    findings: tuple[Mistake, ...]
    problems: tuple[Problem, ...]
    notices: tuple[Problem, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether no axis was left out."""
        return not self.findings and not self.problems


def listed(document: Document, folder: Path, *, allow_outside: bool = False) -> Listed:
    """Return ``document`` with its axes written out; their files are relative to ``folder``, and inside it unless
    ``allow_outside``. What can't be read is told in the result, not raised.
    """
    base = _Base(folder, allow_outside)
    findings: list[Mistake] = []
    problems: list[Problem] = []
    notices: list[Problem] = []
    data: dict[str, Any] = dict(document.data)
    elsewhere = dict(document.elsewhere)
    for path, spec in list(_specs(document.data)):
        try:
            values = _values(path, spec, base, document.place((*path, "file")))
        except _WrongError as wrong:
            findings += wrong.findings
            values = None
        except ManifestError as error:
            problems += error.problems
            values = None
        data = _with(data, path, values.data if values else None)
        if values:
            elsewhere.update({(*path, step): place for step, place in values.places.items()})
            notices += [Problem(f"{dotted(path)}: {odd}", document.place(path)) for odd in values.odd]
    return Listed(replace(document, data=data, elsewhere=elsewhere), tuple(findings), tuple(problems), tuple(notices))


@dataclass(frozen=True, slots=True)
class _Base:
    """What the files of axes are relative to, and whether they may lie outside it."""

    folder: Path
    allow_outside: bool


class _WrongError(Exception):
    """An axis is written wrongly."""

    def __init__(self, *findings: Mistake) -> None:
        super().__init__()
        self.findings = findings


@dataclass(frozen=True, slots=True)
class _Values:
    """The values as a list, or as a mapping of titles; ``places`` hold the file and line of each.

    ``odd`` says what is odd about them.
    """

    data: list[str] | dict[str, str]
    places: Mapping[str | int, str]
    odd: tuple[str, ...] = ()


def _specs(data: Mapping[str, Any]) -> Iterator[tuple[DataPath, dict[str, Any]]]:
    """Yield every axis, of the matrix or of a zip, that stands for its values instead of listing them."""
    matrix, zipped = data.get("matrix"), data.get("zip")
    for axis, values in matrix.items() if isinstance(matrix, dict) else ():
        if _kind(values):
            yield ("matrix", axis), values
    for index, members in enumerate(zipped if isinstance(zipped, list) else ()):
        for name, values in members.items() if isinstance(members, dict) else ():
            if _kind(values):
                yield ("zip", index, name), values


def _kind(values: object) -> type[Section] | None:
    if not isinstance(values, dict):
        return None
    if "from" in values or {"to", "step"} <= values.keys():
        return RangeSection
    return FileSection if "file" in values else FilesSection if "files" in values else None


def _values(path: DataPath, spec: dict[str, Any], base: _Base, place: str) -> _Values:
    model = _kind(spec)
    assert model is not None
    try:
        section = model.model_validate(spec)
    except ValidationError as error:
        known = [field.alias or name for name, field in model.model_fields.items()]
        found = error.errors(include_url=False)
        raise _WrongError(*(finding(one, (*path, *one["loc"]), known) for one in found)) from None
    values = _read(path, section, base, place)
    # The members of a zip move together by position: titles have no meaning there.
    if path[0] == "zip" and isinstance(values.data, dict):
        places = enumerate(values.places.values())
        return _Values(list(values.data.values()), dict(places), values.odd)
    return values


def _read(path: DataPath, section: Section, base: _Base, place: str) -> _Values:
    if isinstance(section, RangeSection):
        return _numbers(path, section)
    return _files(path, section, base) if isinstance(section, FilesSection) else _column(path, section, base, place)


def _numbers(path: DataPath, section: RangeSection) -> _Values:
    try:
        return _Values(numbers(section.first, section.to, section.step), {})
    except ValueError as error:
        raise _WrongError(Mistake(path, f"{dotted(path)} {error}")) from None


def _files(path: DataPath, section: FilesSection, base: _Base) -> _Values:
    try:
        found = files_of(base.folder, section.files, allow_outside=base.allow_outside)
    except ValueError as error:
        message = f"{dotted((*path, 'files'))} {error}"
        raise _WrongError(Mistake((*path, "files"), message)) from None
    odd = left_out(base.folder, section.files, found)
    return _Values(dict(zip(titles_of(found), found, strict=True)), {}, (odd,) if odd else ())


def _column(path: DataPath, section: Section, base: _Base, place: str) -> _Values:
    assert isinstance(section, FileSection)
    refuse_address(Path(section.file), place)
    try:
        file = base.folder / section.file
        if not base.allow_outside:
            inside(base.folder, file)
    except ValueError as error:
        message = f"{dotted((*path, 'file'))} {error}, found {shown(section.file)}"
        suggestion = "copy it there, or allow it with --allow-outside"
        raise _WrongError(Mistake((*path, "file"), message, suggestion)) from None
    return _Column(path, section, open_rows(file, str(file), place)).values()


@dataclass(frozen=True, slots=True)
class _Column:
    """One column of some rows, perhaps with the column of its titles."""

    path: DataPath
    section: FileSection
    rows: Rows

    def values(self) -> _Values:
        """Return the values with file and line; empty ones are left out. Raise if there are none, or too many."""
        rows = list(islice(self.rows, MOST_VALUES + 1))
        if len(rows) > MOST_VALUES:
            raise self._wrong("file", f"has more than {MOST_VALUES:,} values", "put them under 'rows:'")
        columns = self.rows.columns or tuple(dict.fromkeys(name for row in rows for name in row.values))
        column = self._chosen(columns)
        found = [(row, value) for row in rows if isinstance(value := row.values.get(column), str) and value.strip()]
        if not found:
            raise self._wrong("column", f"{shown(column)} holds no values")
        values = self._titled(found, columns) if self.section.title is not None else self._plain(found)
        if isinstance(self.rows, TextRows):
            return replace(values, odd=tuple(map(str, left_out_lines(self.rows.path, self.rows.file))))
        return replace(values, odd=self._moved_up(len(rows) - len(found)))

    def _moved_up(self, empty: int) -> tuple[str, ...]:
        """Return what to say if a zip's values no longer stand beside those they belong to."""
        if self.path[0] != "zip" or not empty:
            return ()
        rows = counted(empty, "row has", "rows have")
        return (f"{rows} no value in {printable(self.section.file)}, and the values after that move up",)

    def _chosen(self, columns: Sequence[str]) -> str:
        """Return the column asked for, else that of the axis' own name, else the only one."""
        wanted = self.section.column
        if isinstance(self.rows, TextRows):
            if wanted is not None:
                raise self._wrong("column", "is for a CSV, TSV or JSONL file; a text has none")
            return columns[0]
        axis = str(self.path[-1])
        if wanted is None and axis not in columns and len(columns) == 1:
            return columns[0]
        return self._known("column", axis if wanted is None else wanted, columns)

    def _known(self, key: str, name: str, columns: Sequence[str]) -> str:
        if name not in columns:
            allowed = f"its columns are {', '.join(map(shown, columns[:8]))}"
            message = f"{shown(name)} is no column of {printable(self.section.file)}"
            raise self._wrong(key, message, nearest(name, columns) or allowed)
        return name

    def _plain(self, found: list[tuple[Row, str]]) -> _Values:
        return _Values([value for _, value in found], {index: row.place for index, (row, _) in enumerate(found)})

    def _titled(self, found: list[tuple[Row, str]], columns: Sequence[str]) -> _Values:
        title = self._known("title", str(self.section.title), columns)
        values: dict[str, str] = {}
        places: dict[str | int, str] = {}
        for row, value in found:
            name = row.values.get(title)
            if not isinstance(name, str) or not name.strip():
                raise self._wrong("title", f"{shown(title)} is empty for the value at {row.place}")
            if name in values:
                raise self._wrong("title", f"{shown(name)} stands at {places[name]} and at {row.place}")
            values[name], places[name] = value, row.place
        return _Values(values, places)

    def _wrong(self, key: str, message: str, suggestion: str = "") -> _WrongError:
        path = (*self.path, key)
        return _WrongError(Mistake(path, f"{dotted(path)}: {message}", suggestion))


def _with(data: dict[str, Any], path: DataPath, values: list[str] | dict[str, str] | None) -> dict[str, Any]:
    """Return ``data`` with the axis at ``path`` written out, or without it."""
    if path[0] == "zip":
        entries = list(data["zip"])
        entries[int(path[1])] = _set(entries[int(path[1])], str(path[2]), values)
        return {**data, "zip": entries}
    return {**data, "matrix": _set(data["matrix"], str(path[1]), values)}


def _set(members: Mapping[str, Any], name: str, values: list[str] | dict[str, str] | None) -> dict[str, Any]:
    if values is None:
        return {other: found for other, found in members.items() if other != name}
    return {**members, name: values}
