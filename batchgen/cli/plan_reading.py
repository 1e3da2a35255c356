"""One line on a terminal while a large plan is read, which may take minutes before the first message."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Whoever waits longer than this wants to know for what.
_PATIENCE_S = 2.0
_EVERY_S = 0.25


@contextmanager
def reading_plan() -> Iterator[Callable[[int], None] | None]:
    """Yield what is to be called with the number of requests read so far; ``None`` if stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    line = ReadingLine()
    try:
        yield line.tell
    finally:
        line.clear()


class ReadingLine:
    """The line itself, drawn after some time only."""

    def __init__(self) -> None:
        self._next = time.monotonic() + _PATIENCE_S
        self._drawn = False

    def tell(self, requests: int) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next, self._drawn = now + _EVERY_S, True
        sys.stderr.write(f"\r\x1b[Kreading the plan: {requests:,} requests so far")
        sys.stderr.flush()

    def clear(self) -> None:
        if self._drawn:
            self._drawn = False
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
