"""One of several parts of a plan, for a process of its own.

A request belongs to a shard by its key, so no two shards can buy the same picture, and rows that ask for equal requests
stay together.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from batchgen.wording import shown

# More shards than anybody starts: 0/1600000 is a typing mistake, and would make a million folders.
MOST = 10_000

_SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``index`` of ``count``, from 0 to ``count`` - 1; written ``0/4``."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    def has(self, number: int) -> bool:
        """Return whether the request whose key begins with these 64 bits belongs to the shard."""
        return number % self.count == self.index

    def part_of(self, amount: int) -> int:
        """Return the shard's part of a whole amount: all parts together are the amount, and differ by 1 at most."""
        return amount * (self.index + 1) // self.count - amount * self.index // self.count


def read_shard(text: str) -> Shard:
    """Return the shard that is written ``i/n``. Raise :class:`ValueError` with a text that says what is wrong."""
    written = text.strip()
    if written.startswith("/"):
        raise ValueError(
            f"{shown(text)} has no number before the slash; is the variable set that should give it, such as "
            "SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX?"
        )
    parts = _SHARD.fullmatch(written)
    if parts is None:
        raise ValueError(f"must be I/N, such as 0/4 for the first of four, found {shown(text)}")
    index, count = int(parts[1]), int(parts[2])
    if not 1 <= count <= MOST:
        raise ValueError(f"must name from 1 to {MOST:,} shards, found {shown(text)}")
    if index >= count:
        raise ValueError(f"{shown(text)} is no shard: they count from 0, so the last of {count} is {count - 1}/{count}")
    return Shard(index, count)
