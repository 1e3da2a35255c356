"""Pictures that another run folder has already: found by their requests' keys, checked, and linked into this one.

The other folder is only read, also while a run goes on in it. Nothing is taken at its word: a file counts as the
picture its ledger names only where its bytes have the digest that was recorded.
"""

from __future__ import annotations

import errno
import os
import secrets
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from batchgen.errors import LedgerDamaged, Problem, UsageError
from batchgen.request import State
from batchgen.store.dataset.metadata import is_simulated
from batchgen.store.folder.atomic import make_folder, refuse_links, sha256_of, write_synced
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.trash import place
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import Format

# What a file system answers that can't link these two names, though it may copy: another disk, no links at all, too
# many of them, or a file of another user.
_CANT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})


class NotReusable(Exception):
    """A picture that is recorded there and is not on disk as it was recorded. The message names the file."""


@dataclass(frozen=True, slots=True)
class Found:
    """A request that is stored in another folder: where, what it holds, and when it was answered."""

    folder: Path
    pictures: tuple[StoredPicture, ...]
    answered_ms: int | None


class Sources:
    """The run folders that a run may take pictures from, in their order. Used by one thread at a time; to be closed.

    Raises :class:`UsageError` with every folder that can't serve: one without a readable ledger, the run's ``own``, or
    one where ``simulated`` pictures and real ones would meet.
    """

    def __init__(self, folders: Iterable[str], *, own: RunFolder, simulated: bool) -> None:
        self._stack = ExitStack()
        self._readers: list[tuple[RunFolder, Reader]] = []
        self.gone: dict[str, str] = {}
        problems = []
        for name in folders:
            try:
                self._open(RunFolder(Path(name)), own, simulated=simulated)
            except (UsageError, LedgerDamaged) as error:
                problems.append(Problem(" ".join(str(error).split()), f"reuse: {name}"))
        if problems:
            self.close()
            raise UsageError("\n".join(map(str, problems)))

    def close(self) -> None:
        self._stack.close()

    def find(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Those of ``keys`` that a folder has stored, with files of the right size; the first folder counts.

        Whether their bytes are the ones that were stored shows only when they are linked. What has no such files in
        any folder is in ``gone`` from here on, by key, with what is wrong. Raises :class:`UsageError`.
        """
        found: dict[str, Found] = {}
        for folder, reader in self._readers:
            wanted = [key for key in keys if key not in found]
            for key, one in self._stored(folder, reader, wanted).items():
                lacking = next((picture for picture in one.pictures if not _is_there(folder, picture)), None)
                if lacking is None:
                    found[key] = one
                    self.gone.pop(key, None)
                else:
                    self.gone[key] = f"{folder.root / lacking.file} is missing or altered"
        return found

    @staticmethod
    def _stored(folder: RunFolder, reader: Reader, keys: Sequence[str]) -> Mapping[str, Found]:
        try:
            return _stored(folder, reader.db, keys)
        except sqlite3.DatabaseError as error:
            raise UsageError(f"reuse: {folder.root}: its ledger can't be read: {error}. Nothing was sent") from error

    def _open(self, folder: RunFolder, own: RunFolder, *, simulated: bool) -> None:
        if not folder.exists:
            raise UsageError("there is no ledger here; is this a run folder?")
        if own.exists and folder.ledger.samefile(own.ledger):
            raise UsageError("this is the run's own folder")
        reader = Reader(folder.ledger)
        self._stack.callback(reader.close)
        try:
            theirs = is_simulated(reader.db)
        except sqlite3.DatabaseError:
            # Its making was broken off before the first table.
            return
        if theirs != simulated and reader.last_run() is not None:
            held, wanted = ("simulated", "real") if theirs else ("real", "simulated")
            raise UsageError(f"it holds {held} pictures, and this run makes {wanted} ones; the two are never mixed")
        self._readers.append((folder, reader))


@dataclass(frozen=True, slots=True)
class Brought:
    """A picture of another folder that stands in this one under a hidden name, with the bytes that were stored."""

    temporary: Path
    picture: StoredPicture

    def check(self, source: Path) -> None:
        """Raises :class:`NotReusable` where ``source`` had other bytes than were stored."""
        # Of the name it has here: what stands under the other one may be replaced at any moment.
        if sha256_of(self.temporary) != self.picture.sha256:
            raise NotReusable(f"{source} has other bytes than were stored")

    def publish(self, folder: RunFolder, stem: str, free: Mapping[str, str]) -> StoredPicture:
        """The picture as it stands in ``folder`` under ``stem`` and its own extension.

        ``free`` are names it may take from old files, each with the name under which that file stands now. Durable
        but for its name, which the ledger's writer syncs. For a thread.
        """
        name = folder.root / f"{stem}.{self.picture.format.extension}"
        published = place(folder, self.temporary, name, free, sha256=self.picture.sha256)
        return replace(self.picture, file=published.relative_to(folder.root).as_posix())


def bring(found: Found, folder: RunFolder, stem: str, room: DiskSpace) -> tuple[Brought, ...]:
    """The pictures of ``found`` beside where ``stem`` is to stand in ``folder``; to be published, or else discarded.

    Linked where the file system can, else copied. Raises :class:`NotReusable` where one is missing or altered, and
    leaves none then; and :class:`OSError` of this folder's disk. For a thread, not for the event loop.
    """
    target = (folder.root / stem).parent
    refuse_links(target, folder.root)
    make_folder(target, folder.root)
    brought: list[Brought] = []
    try:
        for picture in found.pictures:
            source = found.folder / picture.file
            brought.append(Brought(room.kept(partial(_brought, source, target)), picture))
            brought[-1].check(source)
    except (NotReusable, OSError):
        discard(brought)
        raise
    return tuple(brought)


def discard(brought: Iterable[Brought]) -> None:
    """Removes the hidden names of what was not published."""
    for one in brought:
        one.temporary.unlink(missing_ok=True)


def _brought(source: Path, folder: Path) -> Path:
    """A hidden name in ``folder`` for the bytes of ``source``."""
    temporary = folder / f".{secrets.token_hex(8)}.part"
    if source.is_symlink() or not source.is_file():
        raise NotReusable(f"{source} is no file any more")
    try:
        os.link(source, temporary, follow_symlinks=False)
    except FileNotFoundError as error:
        raise NotReusable(f"{source} is no file any more") from error
    except OSError as error:
        if error.errno not in _CANT_LINK:
            raise
        return write_synced(folder, _content(source))
    _sync(temporary)
    return temporary


def _sync(file: Path) -> None:
    """Makes the bytes of a linked file durable: whoever brought them there, from a backup perhaps, may not have."""
    handle = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _content(source: Path) -> bytes:
    try:
        return source.read_bytes()
    except OSError as error:
        raise NotReusable(f"{source} can't be read: {error.strerror}") from error


def _is_there(folder: RunFolder, picture: StoredPicture) -> bool:
    path = folder.root / picture.file
    try:
        return not path.is_symlink() and path.is_file() and path.stat().st_size == picture.bytes
    except OSError:
        return False


def _stored(folder: RunFolder, db: sqlite3.Connection, keys: Sequence[str]) -> Mapping[str, Found]:
    pictures: dict[str, list[StoredPicture]] = {}
    answered: dict[str, int | None] = {}
    for key, answered_ms, file, sha256, size, name, width, height, duration_ms, revised in db.execute(
        _STORED, ('["' + '","'.join(keys) + '"]' if keys else "[]", State.STORED)
    ):
        place = PurePosixPath(file)
        if place.is_absolute() or ".." in place.parts:
            # No ledger of ours has such a name: nothing outside the folder is ever linked.
            continue
        found = Format(name, place.suffix.removeprefix("."), width, height, duration_ms)
        pictures.setdefault(key, []).append(StoredPicture(file, sha256, size, found, revised))
        answered[key] = answered_ms
    return {key: Found(folder.root, tuple(some), answered[key]) for key, some in pictures.items()}


_STORED = """
SELECT r.key, coalesce(r.answered_ms, r.ended_ms), p.file, p.sha256, p.bytes, p.format, p.width, p.height,
       p.duration_ms, p.revised_prompt
FROM json_each(?) wanted JOIN requests r ON r.key = wanted.value JOIN pictures p ON p.request_id = r.id
WHERE r.state = ? AND r.trashed_ms IS NULL ORDER BY r.id, p.ordinal
"""
