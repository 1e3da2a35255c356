"""Looks at the pictures of a run while more are bought, so that little is left to look at once everything is there.

A look is advice. It is made in the time that nobody else wants, by worker processes of the lowest priority; what the
workers don't get to, the listing after the run finds.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable
from contextlib import suppress
from typing import NamedTuple

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.looks.thumbnails import Thumbnails
from batchgen.store.looks.workers import LookWorkers

# Fewer pictures than this are looked at in a moment after the run, and are not worth a worker's start.
WORTH_A_START = 24
# Decoders slower than the run would let the list of what is to be looked at grow with the run.
_MOST_WAITING = 10_000
_AT_ONCE = 64


class _Shot(NamedTuple):
    sha256: str
    original: str
    format: str


class LookAhead:
    """The looks at one run's pictures; the thread and its workers start once there is enough to look at."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._shots: queue.SimpleQueue[_Shot | None] = queue.SimpleQueue()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, pictures: Iterable[StoredPicture]) -> None:
        """Take pictures that were stored just now."""
        if self._shots.qsize() > _MOST_WAITING:
            return
        for picture in pictures:
            self._shots.put(_Shot(picture.sha256, picture.original, picture.format.name))
        if self._thread is None and self._shots.qsize() >= WORTH_A_START:
            self._thread = threading.Thread(target=self._look, name="batchgen-looks", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """End the looks, and wait for the ones under way to be written: a few hundredths of a second for most."""
        self._over.set()
        self._shots.put(None)
        if self._thread is not None:
            self._thread.join()

    def _look(self) -> None:
        # A disk that takes no thumbnails is told by the look after the run.
        with suppress(OSError), LookWorkers() as workers:
            thumbnails = Thumbnails(self._folder, looks=())
            while some := self._some():
                thumbnails.make(workers, some, enough=self._over.is_set)

    def _some(self) -> list[_Shot]:
        """Return pictures to look at, at least one; none once the looks are over."""
        some: list[_Shot] = []
        with suppress(queue.Empty):
            while len(some) < _AT_ONCE:
                shot = self._shots.get(block=not some)
                if shot is None or self._over.is_set():
                    return []
                some.append(shot)
        return some
