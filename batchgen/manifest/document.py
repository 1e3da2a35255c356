"""A job file as read: plain data, and for every value its file and line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from batchgen.errors import Problem
from batchgen.wording import printable

# The keys and list positions that lead from the top of the data to a value in it.
DataPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong at a path of a document, before it is known on which line that is."""

    path: DataPath
    message: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """``data`` holds text, ``None``, lists and mappings; ``lines`` the line of each path into it, from 1.

    A value from a flag or another file stands in ``elsewhere`` instead, with that flag, or that file and line. ``cut``
    holds the comments that read like the rest of the plain text before them.
    """

    file: str
    data: Mapping[str, object]
    lines: Mapping[DataPath, int] = field(default_factory=dict)
    elsewhere: Mapping[DataPath, str] = field(default_factory=dict)
    cut: Mapping[DataPath, str] = field(default_factory=dict)

    def line(self, path: DataPath) -> int:
        """Return the line of the value at ``path``, or of the nearest thing around it; 0 if this file has none."""
        parts = _prefixes(path)
        if any(part in self.elsewhere for part in parts):
            return 0
        return next((self.lines[part] for part in parts if part in self.lines), 0)

    def place(self, path: DataPath) -> str:
        """Return ``jobs/mugs.yaml:12``, or the origin of a value from elsewhere, such as ``--size``."""
        for part in _prefixes(path):
            if part in self.elsewhere:
                return self.elsewhere[part]
        line = self.line(path)
        return f"{printable(self.file)}:{line}" if line else printable(self.file)

    def problems(self, findings: Iterable[Mistake]) -> list[Problem]:
        """Return the findings with their locations, in the order of the file; those from elsewhere first."""
        ordered = sorted(findings, key=lambda finding: self._order(finding.path))
        return [Problem(finding.message, self.place(finding.path), finding.suggestion) for finding in ordered]

    def _order(self, path: DataPath) -> tuple[int, str, int]:
        place, _, line = self.place(path).rpartition(":")
        return (self.line(path), place, int(line) if line.isdigit() else 0)


def _prefixes(path: DataPath) -> list[DataPath]:
    """Return the path itself and every path around it, the longest first."""
    return [path[:length] for length in range(len(path), 0, -1)]
