"""The rows of the page and their changes: each row keeps its place for good, and every change has a number."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from batchgen.compare.entries import Entry, Shot
from batchgen.compare.page_columns import PlacedEntry

# The most rows in one answer; the page asks for the next at once.
MOST_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed after the number that a reader gave: rows, and the places of those that went away.

    ``after`` is the number to give next; ``more`` says that more can be fetched at once.
    """

    rows: tuple[PlacedEntry, ...]
    gone: tuple[int, ...]
    after: int
    more: bool


class Journal:
    """The rows, and the number of the change of each. One thread writes; no other may read at the same time."""

    def __init__(self) -> None:
        self._places: dict[tuple[int, int], int] = {}
        # By place: the row, or None if it went away, and the number of its last change.
        self._rows: list[PlacedEntry | None] = []
        self._changed: list[int] = []
        self._changes = 0
        self._entries: dict[int, Entry] = {}
        self._by_request: dict[int, list[int]] = {}
        self._files: dict[str, Shot] = {}

    @property
    def rows(self) -> Iterable[PlacedEntry]:
        """The present rows in the order of their places."""
        return (row for row in self._rows if row is not None)

    def shot(self, file: str) -> Shot | None:
        """Return the picture that has this name now."""
        return self._files.get(file)

    def take(self, requests: Iterable[int], entries: Iterable[Entry]) -> None:
        """Take ``entries`` as all that ``requests`` have now; their other entries go when :meth:`number` is called."""
        for request in requests:
            for place in self._by_request.pop(request, ()):
                del self._entries[place]
        for entry in entries:
            place = self._places.setdefault((entry.number, entry.ordinal), len(self._places))
            self._by_request.setdefault(entry.number, []).append(place)
            self._entries[place] = entry

    def number(self, row_of: Callable[[int, Entry], PlacedEntry]) -> None:
        """Number what differs from what readers were given; ``row_of`` makes the row of a place."""
        self._changes += 1
        missing = len(self._places) - len(self._rows)
        self._rows += [None] * missing
        self._changed += [self._changes] * missing
        for place, known in enumerate(self._rows):
            entry = self._entries.get(place)
            row = None if entry is None else row_of(place, entry)
            if row != known:
                self._rows[place] = row
                self._changed[place] = self._changes
        self._files = {entry.shot.file: entry.shot for entry in self._entries.values() if entry.shot}

    def since(self, after: int) -> Changes:
        """Return what changed after number ``after``; 0 asks for all rows, without those that went away."""
        places = [place for place, number in enumerate(self._changed) if number > after]
        places.sort(key=self._changed.__getitem__)
        some = places[:MOST_ROWS]
        if len(places) > len(some):
            # Rows of one change go together: a reader that comes back must not miss the rest of it.
            last = self._changed[some[-1]]
            some += [place for place in places[MOST_ROWS:] if self._changed[place] == last]
        reached = self._changed[some[-1]] if some else self._changes
        return Changes(
            rows=tuple(row for place in some if (row := self._rows[place]) is not None),
            gone=tuple(place for place in some if after and self._rows[place] is None),
            after=reached,
            more=len(some) < len(places),
        )
