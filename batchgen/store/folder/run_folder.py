"""The run folder: where everything of one run lives, and the check that it can be written before money is spent."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen.errors import FolderMismatch, StoppedEarly
from batchgen.store.folder.atomic import make_folder, publish, sync_folder, write_synced
from batchgen.store.folder.lock import locked


class NotWritable(StoppedEarly):
    """The disk under the run folder takes nothing now. Nothing was sent."""


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
    def memo(self) -> Path:
        return self.state / "plan"

    @property
    def images(self) -> Path:
        return self.root / "images"

    @property
    def trash(self) -> Path:
        return self.root / "trash"

    @property
    def exists(self) -> bool:
        """Whether a run has been here before."""
        return self.ledger.is_file()

    @contextlib.contextmanager
    def opened(self, *, force_unlock: str | None = None) -> Iterator[None]:
        """The folder, made where it is missing, proven writable, and held against other runs.

        One that was made for a block which fails before anything is put into it is removed again.
        ``force_unlock`` names a dead machine whose claim on it counts no more.

        Raises :class:`FolderMismatch` where it is no folder, :class:`NotWritable` where the disk takes nothing, and
        :class:`FolderInUse` where another run holds it.
        """
        missing = [place for place in (self.root, *self.root.parents) if not place.exists()]
        with contextlib.ExitStack() as stack:
            with _translated(self.root):
                self._make()
                stack.enter_context(locked(self.lock, force_unlock=force_unlock))
                stack.push(lambda kind, *_: self._remove_again(missing) if kind else None)
                for place in (self.images, self.spool):
                    _probe(place)
                self._remove_leftovers()
            yield

    def _make(self) -> None:
        make_folder(self.images, Path(self.root.anchor))
        make_folder(self.state, self.root, mode=0o700)
        make_folder(self.spool, self.root, mode=0o700)

    def _remove_again(self, missing: Sequence[Path]) -> None:
        """Removes the folders that were ``missing`` before, while nothing but the lock, which we hold, is in them."""
        found = {path for path in self.root.rglob("*") if not path.is_dir()}
        if self.root not in missing or found != {self.lock}:
            return
        with contextlib.suppress(OSError):
            self.lock.unlink()
            for place in (self.spool, self.state, self.images, *missing):
                place.rmdir()

    def _remove_leftovers(self) -> None:
        # A process that died between writing and publishing leaves temporary names; nothing refers to them.
        for leftover in self.images.rglob(".*.part"):
            leftover.unlink(missing_ok=True)
        for leftover in (
            *self.spool.glob("*.part"),
            *self.trash.glob("*/.*.part"),
            *self.root.glob(".*.part"),
            *self.state.glob(".*.part"),
        ):
            leftover.unlink(missing_ok=True)


def _probe(place: Path) -> None:
    """Publishes a file and removes it, so that a disk that can't do so is found before the first cent."""
    name = place / f".probe-{secrets.token_hex(4)}.part"
    content = b"batchgen"
    temporary = write_synced(place, content, mode=0o600)
    try:
        publish(temporary, name, sha256=hashlib.sha256(content).hexdigest())
        sync_folder(place)
    finally:
        temporary.unlink(missing_ok=True)
        name.unlink(missing_ok=True)


@contextlib.contextmanager
def _translated(root: Path) -> Iterator[None]:
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise FolderMismatch(f"{root}: can't be used as a run folder: {_reason(error)}") from error
    except OSError as error:
        raise NotWritable(f"{root}: can't be written: {_reason(error)}") from error


def _reason(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno and error.errno != errno.EPERM else str(error)
