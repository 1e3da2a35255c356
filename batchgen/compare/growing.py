"""A ledger watched while a run writes to it: what is new or changed since a reader last asked.

It only ever reads the ledger, on a connection of its own, and looks for changes no more often than they are cheap.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

from batchgen.compare.columns import Row
from batchgen.compare.entries import About, Entry, Shot, read_about, read_entries
from batchgen.errors import LedgerDamaged
from batchgen.store.bench import Bench
from batchgen.store.flags import checks
from batchgen.store.folder import RunFolder
from batchgen.store.lock import holder
from batchgen.store.schema import connect_read_only
from batchgen.store.thumbnails import Thumbnails

# So many rows go into one answer; the page asks for the next at once.
MOST_ROWS = 10_000

_PAUSE_S = 0.5
_TICK_NS = 100_000_000
# Looking takes at most this share of the time: a ledger of a million rows is looked at less often.
_SHARE = 0.1
# Thumbnails are made for about this long between two looks; how many that are is found out.
_DRAWING_S = 1.5
_FEWEST, _MOST = 8, 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """The rows that changed after the number a reader gave; the number to give next, and whether more are waiting."""

    rows: tuple[Row, ...]
    after: int
    more: bool
    about: About


class Growth:
    """The rows of a folder as they stand; :meth:`watch` keeps them so until it is told to stop."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._thumbnails = Thumbnails(folder)
        self._places: dict[tuple[int, int], int] = {}
        self._entries: list[Entry] = []
        self._rows: list[Row] = []
        # The number of the change that brought each row, in the order of their places.
        self._changed: list[int] = []
        self._changes = 0
        self._standing: dict[int, tuple[object, ...]] = {}
        self._about = About(folder.root.resolve().name)
        self._files: dict[str, Shot] = {}
        self._handful = _FEWEST

    def since(self, after: int) -> Change:
        """What changed after number ``after``; 0 asks for everything."""
        with self._lock:
            places = [place for place, number in enumerate(self._changed) if number > after]
            places.sort(key=self._changed.__getitem__)
            some = places[:MOST_ROWS]
            if len(places) > len(some):
                # Rows of one change go together: a reader that comes back must not miss the rest of it.
                last = self._changed[some[-1]]
                some += [place for place in places[MOST_ROWS:] if self._changed[place] == last]
            reached = self._changed[some[-1]] if some else self._changes
            return Change(tuple(self._rows[place] for place in some), reached, len(some) < len(places), self._about)

    def shot(self, file: str) -> Shot | None:
        """The stored picture of that name, relative to the run folder; ``None`` for any other name."""
        with self._lock:
            return self._files.get(file)

    def watch(self, stop: threading.Event) -> None:
        """Looks for changes, and makes the thumbnails that are missing, until ``stop`` is set."""
        with Bench() as bench:
            version = None
            while not stop.is_set():
                began, busy = time.monotonic(), False
                try:
                    version = self._look(version)
                    busy = self._draw(bench, stop)
                except (LedgerDamaged, sqlite3.Error):
                    # A ledger that is being made, rebuilt or moved away: what is known stays on the page.
                    version = None
                took = time.monotonic() - began
                stop.wait(0 if busy else max(_PAUSE_S, took * (1 - _SHARE) / _SHARE))

    def look(self) -> None:
        """Reads the ledger once. Raises :class:`LedgerDamaged`."""
        self._look(None)

    def _look(self, version: object) -> object:
        with closing(connect_read_only(self._folder.ledger)) as db:
            # The log's size and time stand for its content: a look costs next to nothing while nothing happens.
            now = _signature(self._folder)
            about = read_about(db, self._about.name)
            running = holder(self._folder.lock) is not None
            self._about = replace(about, running=running)
            if now == version:
                return version
            db.execute("BEGIN")
            standing = {number: rest for number, *rest in map(tuple, db.execute(_STANDING))}
            changed = [number for number, rest in standing.items() if self._standing.get(number) != tuple(rest)]
            entries = tuple(read_entries(db, changed))
            self._take(entries)
            self._publish(db)
        self._standing.update({number: tuple(standing[number]) for number in changed})
        return now if _is_settled(now) else None

    def _take(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            place = self._places.setdefault((entry.number, entry.ordinal), len(self._entries))
            if place == len(self._entries):
                self._entries.append(entry)
            self._entries[place] = entry

    def _publish(self, db: sqlite3.Connection) -> None:
        """Numbers what differs from what readers were given, flags of older rows among it."""
        found = checks(db, self._thumbnails.look)
        with self._lock:
            self._changes += 1
            for place, entry in enumerate(self._entries):
                look = self._thumbnails.look(entry.shot.sha256) if entry.shot else None
                row = Row(place, entry, look, int(found.of(entry.shot.file)) if entry.shot else 0)
                if place == len(self._rows):
                    self._rows.append(row)
                    self._changed.append(self._changes)
                elif self._rows[place] != row:
                    self._rows[place] = row
                    self._changed[place] = self._changes
                if entry.shot:
                    self._files[entry.shot.file] = entry.shot

    def _draw(self, bench: Bench, stop: threading.Event) -> bool:
        """Makes a few of the missing thumbnails; whether there may be more."""
        shots = (row.entry.shot for row in self._rows if row.entry.shot and row.look is None)
        some = list(islice(self._thumbnails.missing(shots), self._handful))
        if not some or stop.is_set():
            return False
        began = time.monotonic()
        try:
            self._thumbnails.make(bench, some)
        except OSError:
            return False  # a full disk costs previews, not the page: the originals are shown
        pace = _DRAWING_S / max(time.monotonic() - began, 0.001)
        self._handful = round(min(max(self._handful * pace, _FEWEST), 4 * self._handful, _MOST))
        with closing(connect_read_only(self._folder.ledger)) as db:
            self._publish(db)
        return True


_STANDING = """
SELECT id, state, ended_ms, reason, message, position FROM requests WHERE trashed_ms IS NULL
ORDER BY position, repeat, id
"""


def _is_settled(signature: tuple[tuple[int, int], ...]) -> bool:
    """Whether a later commit would show: within one tick of the clock that dates files it might not."""
    return time.time_ns() - max(changed_ns for _, changed_ns in signature) > _TICK_NS


def _signature(folder: RunFolder) -> tuple[tuple[int, int], ...]:
    """What changes with every commit: size and time of the ledger and of its log."""
    found = []
    for path in (folder.ledger, folder.ledger.with_name(folder.ledger.name + "-wal")):
        try:
            stat = path.stat()
        except OSError:
            found.append((0, 0))
        else:
            found.append((stat.st_size, stat.st_mtime_ns))
    return tuple(found)
