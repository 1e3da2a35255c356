"""The ledger watched during a run: what is new or changed since a reader last asked.

The ledger is only read, on a connection of its own, and polled less often the longer a poll takes.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice

from batchgen.compare.entries import About, Entry, Shot, read_about, read_entries
from batchgen.compare.journal import Changes, Journal
from batchgen.compare.page_columns import PlacedEntry, edited_by
from batchgen.errors import LedgerDamaged
from batchgen.store.folder.lock import holder
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.inputs.copies import InputCopies
from batchgen.store.ledger.schema import connect_read_only, reading
from batchgen.store.looks.flags import checks
from batchgen.store.looks.index import seen
from batchgen.store.looks.thumbnails import Thumbnails
from batchgen.store.looks.workers import LookWorkers

_PAUSE_S = 0.5
_TICK_NS = 100_000_000
# Polling takes at most this share of the time: a ledger of a million rows is polled less often.
_SHARE = 0.1
# Thumbnails are made for about this long between two polls; the number is adapted.
_DRAWING_S = 1.5
_FEWEST, _MOST = 8, 1_000


@dataclass(frozen=True, slots=True)
class Change:
    """What changed in the rows, and what is said about the folder now."""

    rows: Changes
    about: About


class LedgerWatch:
    """The rows of a folder; :meth:`watch` keeps them up to date until it is told to stop."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._thumbnails = Thumbnails(folder)
        self._journal = Journal()
        self._standing: dict[int, tuple[object, ...]] = {}
        self._about = About(folder.root.resolve().name)
        self._handful = _FEWEST

    def since(self, after: int) -> Change:
        """Return what changed after number ``after``; 0 asks for everything."""
        with self._lock:
            return Change(self._journal.since(after), self._about)

    @property
    def about(self) -> About:
        """What is said about the folder as a whole."""
        return self._about

    def shot(self, file: str) -> Shot | None:
        """Return the stored picture of that name, relative to the run folder; ``None`` for any other name."""
        with self._lock:
            return self._journal.shot(file)

    def watch(self, stop: threading.Event) -> None:
        """Poll for changes, and make the thumbnails that are missing, until ``stop`` is set."""
        with LookWorkers() as bench:
            version = None
            while not stop.is_set():
                began, busy = time.monotonic(), False
                try:
                    version = self._look(version)
                    busy = self._draw(bench, stop)
                except (LedgerDamaged, sqlite3.Error):
                    # A ledger may be created, rebuilt or moved away meanwhile: the known rows stay on the page.
                    version = None
                took = time.monotonic() - began
                stop.wait(0 if busy else max(_PAUSE_S, took * (1 - _SHARE) / _SHARE))

    def look(self) -> None:
        """Read the ledger once. Raises :class:`LedgerDamaged`."""
        self._look(None)

    def _look(self, version: object) -> object:
        with closing(connect_read_only(self._folder.ledger)) as db, reading(self._folder.ledger):
            # Size and time of SQLite's log stand for its content: a poll costs next to nothing while nothing happens.
            now = _signature(self._folder)
            about = read_about(db, self._about.name)
            running = holder(self._folder.lock) is not None
            self._about = replace(about, running=running)
            if now == version:
                return version
            db.execute("BEGIN")
            standing = {number: tuple(rest) for number, *rest in map(tuple, db.execute(_STANDING))}
            changed = [number for number, rest in standing.items() if self._standing.get(number) != rest]
            # Requests that were retired leave the page, too.
            withdrawn = self._standing.keys() - standing.keys()
            entries = tuple(read_entries(db, changed))
            with self._lock:
                self._journal.take((*changed, *withdrawn), entries)
            self._publish(db)
        self._standing = standing
        return now if _is_settled(now) else None

    def _publish(self, db: sqlite3.Connection) -> None:
        """Number what differs from what readers were given, changed flags of older rows too."""
        found = checks(db, seen([self._thumbnails.looks]))
        copies = InputCopies(self._folder)

        def row_of(place: int, entry: Entry) -> PlacedEntry:
            look = self._thumbnails.look(entry.shot.sha256) if entry.shot else None
            flags = int(found.of(entry.shot.file)) if entry.shot else 0
            return PlacedEntry(place, entry, look, flags, edited_by(entry, copies))

        with self._lock:
            self._journal.number(row_of)

    def _draw(self, bench: LookWorkers, stop: threading.Event) -> bool:
        """Make a few of the missing thumbnails, and return whether there may be more."""
        shots = (row.entry.shot for row in self._journal.rows if row.entry.shot and row.look is None)
        some = list(islice(self._thumbnails.missing(shots), self._handful))
        if not some or stop.is_set():
            return False
        began = time.monotonic()
        try:
            self._thumbnails.make(bench, some)
        except OSError:
            # A full disk costs the thumbnails, not the page: the originals are shown.
            return False
        pace = _DRAWING_S / max(time.monotonic() - began, 0.001)
        self._handful = round(min(max(self._handful * pace, _FEWEST), 4 * self._handful, _MOST))
        with closing(connect_read_only(self._folder.ledger)) as db:
            self._publish(db)
        return True


# A name that was deleted or given to another row moves a picture without any news of its request.
_STANDING = """
SELECT id, state, ended_ms, reason, message, position,
    (SELECT json_group_array(file) FROM names n WHERE n.request_id = requests.id AND n.state = 'made')
FROM requests WHERE retired_ms IS NULL AND take = 1
ORDER BY position, repeat, id
"""


def _is_settled(signature: tuple[tuple[int, int], ...]) -> bool:
    """Return whether a later commit would show: within one tick of the file system's clock it might not."""
    return time.time_ns() - max(changed_ns for _, changed_ns in signature) > _TICK_NS


def _signature(folder: RunFolder) -> tuple[tuple[int, int], ...]:
    """Return what changes with every commit: size and time of the ledger and of its log."""
    found = []
    for path in (folder.ledger, folder.ledger.with_name(folder.ledger.name + "-wal")):
        try:
            stat = path.stat()
        except OSError:
            found.append((0, 0))
        else:
            found.append((stat.st_size, stat.st_mtime_ns))
    return tuple(found)
