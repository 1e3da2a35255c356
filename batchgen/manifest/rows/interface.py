"""What every kind of rows promises: iterable from the start any number of times, one row at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Protocol

import msgspec

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.row_files import Piped, RowFile
from batchgen.manifest.values import PARAMETERS, Value

# More broken rows than this tell the user nothing new.
MOST_PROBLEMS = 1_000

_PARAMETERS = frozenset(PARAMETERS) | {"repeat"}


class Row(msgspec.Struct, frozen=True, gc=False):
    """One line of input. ``number`` counts rows from 1; ``line`` counts those of ``file``, and 0 says it has none.

    A frozen struct, not a dataclass: there may be a million, and it is made ten times as fast.
    """

    number: int
    file: str
    line: int
    values: Mapping[str, Value]

    @property
    def place(self) -> str:
        """Its file and line, as ``prompts.csv:12``."""
        return f"{self.file}:{self.line}" if self.line else self.file


class Rows(Protocol):
    """A re-iterable source that streams its rows and never holds them all.

    Iterating yields every sound row. If rows were broken, iterating ends by raising :class:`ManifestError` with all of
    them: read the rows to the end before acting on any.
    """

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of all columns in order, or ``None`` if each row has its own."""
        ...

    def __iter__(self) -> Iterator[Row]: ...

    def count(self) -> int:
        """Return the number of rows, counted without parsing their values."""
        ...

    def fingerprint(self) -> str:
        """Return a text that changes whenever a row may have changed."""
        ...


class Broken:
    """The problems met while reading rows."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._told: set[str] = set()

    def add(self, place: str, message: str, suggestion: str = "") -> None:
        """Keep a problem. Raise :class:`ManifestError` with all of them if there are too many to go on."""
        self._problems.append(Problem(message, place, suggestion))
        if len(self._problems) >= MOST_PROBLEMS:
            self.raise_if_any()

    def once(self, place: str, message: str, suggestion: str, *, key: str) -> None:
        """Keep a problem that every row may have, for the first of them."""
        if key not in self._told:
            self._told.add(key)
            self.add(place, message, suggestion)

    def raise_if_any(self) -> None:
        """Raise :class:`ManifestError` with every problem so far, if there is one."""
        if self._problems:
            raise ManifestError(self._problems)

    def fatal(self, place: str, message: str, suggestion: str = "") -> ManifestError:
        """Return the error for a mistake after which nothing more can be read."""
        return ManifestError([*self._problems, Problem(message, place, suggestion)])


def file_fingerprint(path: RowFile) -> str:
    """Return the digest of a file's bytes."""
    if isinstance(path, Piped):
        return hashlib.blake2b(path.content).hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, hashlib.blake2b).hexdigest()


def given(values: Mapping[str, Value], declared: frozenset[str]) -> dict[str, Value]:
    """Return the values without the parameters that are left empty: those take the defaults."""
    return {
        name: value
        for name, value in values.items()
        if value != "" or (name not in _PARAMETERS and name not in declared)
    }
