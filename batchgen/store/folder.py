"""The run folder: where everything of one run lives, and the check that it can be written before money is spent."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import FolderMismatch
from batchgen.store.lock import locked


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The paths of a run folder. Making one touches nothing; :meth:`opened` creates and locks it."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / ".batchgen"

    @property
    def ledger(self) -> Path:
        return self.state / "ledger.db"

    @property
    def lock(self) -> Path:
        return self.state / "lock"

    @property
    def spool(self) -> Path:
        return self.state / "spool"

    @property
    def simulator(self) -> Path:
        return self.state / "simulator"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def exists(self) -> bool:
        """Whether a run has been here before."""
        return self.ledger.is_file()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """The folder, made where it is missing, proven writable, and held against other runs.

        Raises :class:`FolderMismatch` where it can't be used and :class:`FolderInUse` where another run holds it.
        """
        try:
            self.images.mkdir(parents=True, exist_ok=True)
            self.state.mkdir(mode=0o700, exist_ok=True)
            self.spool.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise FolderMismatch(f"{self.root}: can't be used as a run folder: {_reason(error)}") from error
        with locked(self.lock):
            for place in (self.images, self.spool):
                _probe(place)
            self._remove_leftovers()
            yield

    def _remove_leftovers(self) -> None:
        # A process that died between writing and publishing leaves temporary names; nothing refers to them.
        for leftover in self.images.rglob(".*.part"):
            leftover.unlink(missing_ok=True)
        for leftover in self.spool.glob("*.part"):
            leftover.unlink(missing_ok=True)


def _probe(place: Path) -> None:
    """Creates, syncs, links and removes a file, so that a full or read-only disk is found before the first cent."""
    name = place / f".probe-{secrets.token_hex(4)}.part"
    try:
        handle = os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            os.write(handle, b"batchgen")
            os.fsync(handle)
        finally:
            os.close(handle)
            name.unlink()
    except OSError as error:
        raise FolderMismatch(f"{place}: can't be written: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno and error.errno != errno.EPERM else str(error)
