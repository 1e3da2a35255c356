"""The state of a run that goes on, as a small file in its folder: for other terminals, machines and programs.

The ledger knows what is bought, and this file what only the running process knows: rates, limits, waits, the time left.
It can be lost without loss.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from batchgen.running.events import Event, FinalStep, Listener, Progress, Started, Stopping

WRITTEN_EVERY_S = 1.0
_LARGEST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class LiveState:
    """What a run says of itself: how it began, how far it is, why it stops, and what it does after its last answer.

    ``written_s`` is the wall clock of its machine.
    """

    started: Started
    progress: Progress
    written_s: float
    stopping: str | None = None
    step: FinalStep | None = None


class ProgressFile:
    """The state of one run at ``path``, written at most once a second; a disk that takes nothing is left alone."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._started: Started | None = None
        self._progress: Progress | None = None
        self._stopping: str | None = None
        self._step: FinalStep | None = None
        self._written_at = -WRITTEN_EVERY_S

    def before(self, listen: Listener) -> Listener:
        """Return a listener that notes each event for the file, and passes the event on to ``listen``."""

        def hear(event: Event) -> None:
            self.hear(event)
            listen(event)

        return hear

    def hear(self, event: Event) -> None:
        match event:
            case Started():
                self._started = event
            case Progress():
                self._progress = event
            case Stopping(reason):
                self._stopping = reason
            case FinalStep():
                self._step = event
            case _:
                pass

    def write(self, *, now: bool = False) -> None:
        """Write what was heard last, unless that was done a moment ago. It waits for the disk: call it in a thread."""
        at = time.monotonic()
        if self._started is None or self._progress is None or (not now and at - self._written_at < WRITTEN_EVERY_S):
            return
        self._written_at = at
        state = LiveState(self._started, self._progress, time.time(), self._stopping, self._step)
        # Not synced, and not worth a word: whoever reads it wants this second's numbers, and next second has its own.
        with self._lock, suppress(OSError):
            temporary = self._path.with_name(".progress.part")
            handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
            try:
                os.write(handle, msgspec.json.encode(state))
            finally:
                os.close(handle)
            temporary.replace(self._path)

    def remove(self) -> None:
        """Remove the file at the end of a run: the ledger says how the run ended."""
        with self._lock, suppress(OSError):
            self._path.unlink(missing_ok=True)


def read_live_state(path: Path) -> LiveState | None:
    """Return the state in the file at ``path``; ``None`` if there is none, or one that this version can't read."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return msgspec.json.decode(os.read(handle, _LARGEST_BYTES), type=LiveState)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    finally:
        os.close(handle)
