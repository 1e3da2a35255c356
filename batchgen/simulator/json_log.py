"""An append-only file of JSON lines that outlives the process; without a path nothing is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO


class LineFile:
    """A file of lines; each is with the kernel when ``append`` returns: ending the process can't lose it."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        if path is not None:
            _drop_torn_line(path)
            self._file = path.open("ab", buffering=0)

    def read(self) -> Iterator[bytes]:
        """Yield the lines of the file, with their line ends."""
        if self._path is not None:
            with self._path.open("rb") as file:
                yield from file

    def append(self, line: bytes) -> None:
        """Write one line, given without its line end."""
        if self._file is not None:
            self._file.write(line + b"\n")

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _drop_torn_line(path: Path) -> None:
    """Remove the half line that a killed server leaves: the next one must not be joined to it."""
    if not path.exists():
        return
    with path.open("r+b") as file:
        data = file.read()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            file.truncate(whole)
