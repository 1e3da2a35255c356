"""The command line's flags, applied to the document as read, so that they are checked like the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.document import DataPath, Document
from batchgen.manifest.values import Value, normalised

# Parameters with a flag of their own; any other is given by ``--set``.
_FLAGS = frozenset({"model", "size", "quality"})


@dataclass(frozen=True, slots=True)
class Overrides:
    """Flags that override the job file and its rows. Of ``parameters`` one value is for all, several are an axis.

    ``budget_usd`` and the counts are taken as the user typed them; they are judged with the job file. Files that the
    job names may lie outside its folder only if ``allow_outside``, which no job file can set. ``shard`` is ``i/n``.
    """

    parameters: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    prompt: str | None = None
    repeat: int | str | None = None
    budget_usd: float | str | None = None
    concurrency: int | str | None = None
    provider: str | None = None
    name: str | None = None
    path: str | None = None
    columns: tuple[str, ...] = ()
    meant: tuple[str, ...] = ()
    allow_outside: bool = False
    shard: str | None = None

    def applied(self, document: Document) -> Document:
        """Return the document with these flags' values instead of its own, and the flags' names as their locations.

        Raise :class:`ManifestError` if a flag would replace a member of a ``zip``.
        """
        data: dict[str, Any] = dict(document.data)
        flags: dict[DataPath, str] = dict(document.elsewhere)
        for path, flag, value in self._single_values():
            _put(data, path, value)
            flags[path] = flag
        for name, words in (("columns", self.columns), ("meant", self.meant)):
            if words:
                flags |= _added(data, name, words)
        for name, values in self.parameters.items():
            flag = f"--{name}" if name in _FLAGS else f"--set {name}"
            if values:
                _refuse_zipped(data.get("zip"), name, flag)
                flags[_put_parameter(data, name, values)] = flag
        return replace(document, data=data, elsewhere=flags)

    def single(self) -> dict[str, Value]:
        """Return the flags with one value, which no row and no combination may set otherwise."""
        found = {name: normalised(name, values[0]) for name, values in self.parameters.items() if len(values) == 1}
        return found if self.repeat is None else {**found, "repeat": str(self.repeat)}

    def _single_values(self) -> Iterator[tuple[tuple[str, ...], str, str]]:
        flags: dict[tuple[str, ...], tuple[str, object]] = {
            ("prompt",): ("--prompt", self.prompt),
            ("repeat",): ("--repeat", self.repeat),
            ("limits", "budget_usd"): ("--budget", self.budget_usd),
            ("limits", "concurrency"): ("--concurrency", self.concurrency),
            ("name",): ("--name", self.name),
            ("output", "path"): ("--path", self.path),
        }
        for path, (flag, value) in flags.items():
            if value is not None:
                yield path, flag, str(value)
        if self.provider is not None:
            yield ("provider",), "--provider", self.provider


def _put(data: dict[str, Any], path: tuple[str, ...], value: object) -> None:
    if len(path) == 1:
        data[path[0]] = value
        return
    section = data.get(path[0])
    # A section that is no mapping is a mistake of the file, and is reported there.
    if section is None or isinstance(section, dict):
        data[path[0]] = {**(section or {}), path[1]: value}


def _added(data: dict[str, Any], name: str, words: tuple[str, ...]) -> dict[DataPath, str]:
    """Add the words of a flag to the list of that name; return the flag as their locations."""
    before = data.get(name)
    # A section that is no list is a mistake of the file, and is reported there.
    if before is not None and not isinstance(before, list):
        return {}
    data[name] = [*(before or ()), *words]
    return {(name, index): f"--{name}" for index in range(len(before or ()), len(data[name]))}


def _refuse_zipped(entries: object, name: str, flag: str) -> None:
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and name in entry:
            message = f"{name} moves together with others in the job's 'zip:', so a flag can't replace it"
            raise ManifestError([Problem(message, flag, "change it in the job file")])


def _put_parameter(data: dict[str, Any], name: str, values: tuple[str, ...]) -> DataPath:
    """Set one value as a default instead of the axis, several as the axis; return the path."""
    section = "defaults" if len(values) == 1 else "matrix"
    matrix = data.get("matrix")
    if isinstance(matrix, dict):
        data["matrix"] = {
            axis: _without_setting(found, name) if section == "matrix" else found
            for axis, found in matrix.items()
            if section == "matrix" or axis != name
        }
    if isinstance(data.get("include"), list):
        data["include"] = [one for entry in data["include"] for one in _included(entry, name, values)]
    _put(data, (section, name), values[0] if len(values) == 1 else list(values))
    return (section, name)


def _without_setting(axis: object, name: str) -> object:
    """Return another axis of the matrix, whose titled values leave ``name`` to the flag."""
    if not isinstance(axis, dict) or not all(isinstance(value, dict) for value in axis.values()):
        return axis
    return {title: {one: found for one, found in value.items() if one != name} for title, value in axis.items()}


def _included(entry: object, name: str, values: tuple[str, ...]) -> list[object]:
    """Return an entry of ``include`` under a flag: with one value it is asked like the rest, else once for each value.

    One that names another value than those is left out.
    """
    if not isinstance(entry, dict):
        return [entry]
    if len(values) == 1:
        left = {one: found for one, found in entry.items() if one != name}
        return [left] if left or not entry else []
    return [{**entry, name: value} for value in values if entry.get(name, value) == value]
