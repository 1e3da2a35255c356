"""Which keys of a ledger are stored, in eight bytes each: what a plan of a million is held against in a second.

What is remembered are 64 bits of a key. Two keys share them once in 10^7 folders of a million, and then a picture is
taken to be there that is not: it may be missing, it is never paid for twice.
"""

from __future__ import annotations

import sqlite3
from array import array
from bisect import bisect_left
from collections.abc import Iterable


class StoredKeys:
    """The keys of requests that were stored, and not in the trash, when this was made."""

    def __init__(self, db: sqlite3.Connection) -> None:
        # The first is answered by the index of keys alone, in their order, the second by that of what is unfinished.
        every = array("Q", (_number(key) for (key,) in db.execute("SELECT key FROM requests ORDER BY key")))
        but = {_number(key) for (key,) in db.execute("SELECT key FROM requests WHERE state <> 'stored'")}
        but |= {_number(key) for (key,) in db.execute("SELECT key FROM requests WHERE trashed_ms IS NOT NULL")}
        self._numbers = array("Q", (number for number in every if number not in but)) if but else every

    def among(self, keys: Iterable[str]) -> frozenset[str]:
        """Those of ``keys`` that are stored."""
        numbers, last = self._numbers, len(self._numbers) - 1
        found = []
        for key in keys:
            number = int(key[:16], 16)
            place = bisect_left(numbers, number)
            if place <= last and numbers[place] == number:
                found.append(key)
        return frozenset(found)


def _number(key: str) -> int:
    return int(key[:16], 16)
