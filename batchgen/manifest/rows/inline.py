"""Rows that stand in the job file itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgspec

from batchgen.manifest.rows.interface import Row


@dataclass(frozen=True, slots=True)
class InlineRows:
    """The rows of a list under ``rows:``, or the single empty row of a job that has none."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        names = dict.fromkeys(name for row in self.rows for name in row.values)
        object.__setattr__(self, "columns", tuple(names))

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def count(self) -> int:
        return len(self.rows)

    def fingerprint(self) -> str:
        return hashlib.blake2b(msgspec.json.encode(self.rows)).hexdigest()
