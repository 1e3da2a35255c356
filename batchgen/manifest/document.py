"""A job file as read: plain data, and for every value in it the place it came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from batchgen.errors import Problem
from batchgen.manifest.show import printable

# The keys and list positions that lead from the top of the data to a value in it.
DataPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong at a path of a document, before it is known on which line that is."""

    path: DataPath
    message: str
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """``data`` holds text, ``None``, lists and mappings; ``lines`` the line of each path into it, from 1.

    A value that came from a command-line flag stands in ``flags`` instead, under the flag's name.
    """

    file: str
    data: Mapping[str, object]
    lines: Mapping[DataPath, int] = field(default_factory=dict)
    flags: Mapping[DataPath, str] = field(default_factory=dict)

    def line(self, path: DataPath) -> int:
        """The line of the value at ``path``, or of the nearest thing around it; 0 where the file has none."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.flags:
                return 0
            if path[:length] in self.lines:
                return self.lines[path[:length]]
        return 0

    def place(self, path: DataPath) -> str:
        """``jobs/mugs.yaml:12``, or the flag such as ``--size``."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.flags:
                return self.flags[path[:length]]
        line = self.line(path)
        return f"{printable(self.file)}:{line}" if line else printable(self.file)

    def problems(self, findings: Iterable[Finding]) -> list[Problem]:
        """The findings with their places, in the order of the file."""
        ordered = sorted(findings, key=lambda finding: self.line(finding.path))
        return [Problem(finding.message, self.place(finding.path), finding.suggestion) for finding in ordered]
