"""Which keys of a ledger are stored, in eight bytes each: what a plan of a million is held against in a second.

What is remembered are 64 bits of a key. Two keys share these bits once in 10^7 folders of a million, and then a picture
is taken to be there that is not: that picture may be missing, but is never paid for twice.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator

from batchgen.request import number_of

# The numbers are looked for among about so many: digests lie evenly, so their first bits tell where to look.
_PER_BUCKET = 16

# A further take that is no picture yet says nothing of the first.
_EVERY = "SELECT key FROM requests WHERE take = 1 ORDER BY key"
_UNSTORED = "SELECT key FROM requests WHERE state <> 'stored' AND take = 1"


class KeyIndex:
    """The keys of requests that were stored when this was made."""

    def __init__(self, db: sqlite3.Connection) -> None:
        # The first is answered by the index of keys alone, in their order, the second by that of what is unfinished.
        every = array("Q", (int(key[:16], 16) for (key,) in db.execute(_EVERY)))
        but = {number_of(key) for (key,) in db.execute(_UNSTORED)}
        self._numbers = array("Q", (number for number in every if number not in but)) if but else every
        bits = max(0, (len(self._numbers) // _PER_BUCKET).bit_length() - 1)
        self._shift = 64 - bits
        self._starts = array("I", (bisect_left(self._numbers, place << self._shift) for place in range(1 << bits)))
        self._starts.append(len(self._numbers))

    def __len__(self) -> int:
        return len(self._numbers)

    def place(self, number: int) -> int | None:
        """Return the place among the stored keys of the key with that number, or ``None``."""
        bucket = number >> self._shift
        end = self._starts[bucket + 1]
        place = bisect_left(self._numbers, number, self._starts[bucket], end)
        return place if place < end and self._numbers[place] == number else None

    def places(self, numbers: Iterable[int]) -> Iterator[int | None]:
        """Return :meth:`place` of each of ``numbers``, of which there may be millions."""
        mine, starts, shift = self._numbers, self._starts, self._shift
        for number in numbers:
            bucket = number >> shift
            end = starts[bucket + 1]
            place = bisect_left(mine, number, starts[bucket], end)
            yield place if place < end and mine[place] == number else None

    def among(self, keys: Iterable[str]) -> frozenset[str]:
        """Return those of ``keys`` that are stored."""
        return frozenset(key for key in keys if self.place(number_of(key)) is not None)
