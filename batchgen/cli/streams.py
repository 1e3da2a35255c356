"""Standard streams that never end a run: a reader that went away, a full disk behind them, a terminal that is gone."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO


@contextlib.contextmanager
def forgiving() -> Iterator[None]:
    """Give missing standard streams a place to go, and make writing to the others a matter of trying, in the block."""
    for number in range(3):
        _fill(number)
    out = _Forgiving(sys.stdout or os.fdopen(1, "w", closefd=False))
    err = _Forgiving(sys.stderr or os.fdopen(2, "w", closefd=False))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            yield
        finally:
            # The interpreter flushes the bare streams once more as it ends: nothing may be left there to fail.
            out.flush()
            err.flush()


def _fill(number: int) -> None:
    # A socket that got one of these descriptors would be written to as if it were the terminal.
    try:
        os.fstat(number)
    except OSError:
        os.open(os.devnull, os.O_RDWR)


class _Forgiving:
    """A text stream whose first error sends all that follows to nowhere."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except OSError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError:
            self._give_up()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _give_up(self) -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        # What is still buffered goes to the new place; the old one must not fail once more at the end.
        with contextlib.suppress(OSError):
            self._stream.flush()
