"""What every kind of rows promises: to be read from the start as often as wanted, one row at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.values import PARAMETERS, Value

# Beyond this many broken rows reading on tells the user nothing new.
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
        """Where it stands, as ``prompts.csv:12``."""
        return f"{self.file}:{self.line}" if self.line else self.file


class Rows(Protocol):
    """A re-iterable source that streams its rows and never holds them all.

    Iterating yields every sound row. Where rows were broken it ends by raising :class:`ManifestError` with all of
    them, so whoever acts on rows has to have read them to the end first.
    """

    @property
    def columns(self) -> tuple[str, ...] | None:
        """The names of all columns in order, or ``None`` where each row brings its own."""
        ...

    def __iter__(self) -> Iterator[Row]: ...

    def count(self) -> int:
        """How many rows there are, counted without looking into them."""
        ...

    def fingerprint(self) -> str:
        """Changes whenever a row may have."""
        ...


class Broken:
    """The problems met on the way through some rows."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    def add(self, place: str, message: str, suggestion: str = "") -> None:
        """Keep a problem; raises :class:`ManifestError` with all of them when there are too many to go on."""
        self._problems.append(Problem(message, place, suggestion))
        if len(self._problems) >= MOST_PROBLEMS:
            self.raise_if_any()

    def raise_if_any(self) -> None:
        if self._problems:
            raise ManifestError(self._problems)

    def fatal(self, place: str, message: str, suggestion: str = "") -> ManifestError:
        """The error for a place after which nothing more can be read."""
        return ManifestError([*self._problems, Problem(message, place, suggestion)])


def file_fingerprint(path: Path) -> str:
    """The digest of a file's bytes."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, hashlib.blake2b).hexdigest()


def given(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values without the parameters that are left empty, which thereby fall back to the defaults."""
    return {name: value for name, value in values.items() if value != "" or name not in _PARAMETERS}
