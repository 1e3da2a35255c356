"""Pictures that another run folder has already: found by their requests' keys, checked, and linked into this one.

The other folder is only read, also while a run goes on in it. Nothing is taken at its word: a file counts as the
picture its ledger names only if its bytes have the digest that was recorded.
"""

from __future__ import annotations

import errno
import glob
import os
import secrets
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from batchgen.errors import LedgerDamaged, Problem, UsageError
from batchgen.request import State
from batchgen.store.folder.atomic import sha256_of, write_synced
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.names import suffix_of
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.records import is_simulated
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import Format
from batchgen.store.pictures.in_bucket import object_of
from batchgen.store.pictures.on_disk import READ_ONLY, make_shard, put_file
from batchgen.store.pictures.original_files import OriginalFiles

# What a file system answers that can't link these two names, though it may copy: another disk, no links at all, too
# many of them, or a file of another user.
_CANT_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})


class NotReusable(Exception):
    """A picture that is recorded there and is not on disk as it was recorded. The message names the file."""


@dataclass(frozen=True, slots=True)
class Found:
    """A request that is stored in another ``folder``, with its pictures and when it was answered."""

    folder: Path
    pictures: tuple[StoredPicture, ...]
    answered_ms: int | None
    originals: OriginalFiles


class Sources:
    """The run folders that a run may take pictures from, in their order. Used by one thread at a time; to be closed.

    Raises :class:`UsageError` with every folder that can't serve: one without a readable ledger, the run's ``own``, or
    one in which ``simulated`` pictures and real ones would meet.
    """

    def __init__(self, folders: Iterable[str], *, own: RunFolder, simulated: bool) -> None:
        self._stack = ExitStack()
        self._readers: list[tuple[OriginalFiles, RunFolder, Reader]] = []
        self.gone: dict[str, str] = {}
        problems = []
        for name in folders:
            try:
                for path in folders_named(name, besides=own.root):
                    self._open(RunFolder(path), own, simulated=simulated)
            except (UsageError, LedgerDamaged) as error:
                problems.append(Problem(" ".join(str(error).split()), f"reuse: {name}"))
        if problems:
            self.close()
            raise UsageError("\n".join(map(str, problems)))

    def close(self) -> None:
        self._stack.close()

    def find(self, keys: Sequence[str]) -> Mapping[str, Found]:
        """Return those of ``keys`` that a folder has stored, with files of the right size; the first folder counts.

        Whether the files have the bytes that were stored shows only when they are linked. What has no such files in
        any folder is in ``gone`` from here on, by key, with what is wrong. Raises :class:`UsageError`.
        """
        found: dict[str, Found] = {}
        for originals, folder, reader in self._readers:
            wanted = [key for key in keys if key not in found]
            for key, one in self._stored(originals, folder, reader, wanted).items():
                lacking = next((picture for picture in one.pictures if not _is_there(folder, originals, picture)), None)
                if lacking is None:
                    found[key] = one
                    self.gone.pop(key, None)
                else:
                    self.gone[key] = f"{folder.original(lacking.original)} is missing or altered"
        return found

    @staticmethod
    def _stored(
        originals: OriginalFiles, folder: RunFolder, reader: Reader, keys: Sequence[str]
    ) -> Mapping[str, Found]:
        try:
            return _stored(folder, originals, reader.db, keys)
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
            # The making of this ledger was broken off before the first table.
            return
        if theirs != simulated and reader.last_run() is not None:
            held, wanted = ("simulated", "real") if theirs else ("real", "simulated")
            raise UsageError(f"it holds {held} pictures, and this run makes {wanted} ones; the two are never mixed")
        self._readers.append((OriginalFiles(folder), folder, reader))


def folders_named(name: str, *, besides: Path | None = None) -> Sequence[Path]:
    """Return the folder of that name, or the folders that match it as a pattern, such as ``outputs/mugs-*-of-4``.

    A pattern may match the run's own folder, ``besides``, which is left out. Raises :class:`UsageError` for one that
    matches nothing: what it was to link would be bought.
    """
    path = Path(name)
    if path.exists() or not any(mark in name for mark in "*?["):
        return [path]
    found = sorted(Path(one) for one in glob.iglob(name) if Path(one).is_dir())  # noqa: PTH207 - of any root
    if not found:
        raise UsageError("no folder matches this pattern")
    return [one for one in found if besides is None or one.resolve() != besides.resolve()]


def take(found: Found, folder: RunFolder, key: str, space: DiskSpace) -> tuple[StoredPicture, ...]:
    """Bring the pictures of ``found`` into ``folder``, and return them: linked if the file system can, else copied.

    The files are durable but for their names, which the ledger's writer syncs. Raises :class:`NotReusable` if one is
    missing or altered, and :class:`OSError` of this folder's disk. For a thread, not for the event loop.
    """
    shard = make_shard(folder, key)
    taken = []
    for ordinal, picture in enumerate(found.pictures, 1):
        source = RunFolder(found.folder).original(picture.original)
        if found.originals.address is not None and not source.is_file():
            write = partial(_fetched, found.originals, shard, picture)
        else:
            write = partial(_brought, source, shard, picture.sha256)
        write_again = partial(space.kept, write)
        original = put_file(folder, key, ordinal, picture.format, picture.sha256, write_again)
        taken.append(replace(picture, original=original))
    return tuple(taken)


def _fetched(originals: OriginalFiles, shard: Path, picture: StoredPicture) -> Path:
    """Return a hidden name in ``shard`` for the bytes of a picture in a bucket, which are those that were stored."""
    content = originals.read(picture)
    if content is None:
        where = f"{originals.address}/{object_of(picture.original)}"
        raise NotReusable(originals.problem or f"{where} is missing or altered")
    return write_synced(shard, content, mode=READ_ONLY)


def _brought(source: Path, shard: Path, sha256: str) -> Path:
    """Return a hidden name in ``shard`` for the bytes of ``source``, which are those that were stored."""
    temporary = _linked(source, shard)
    # Of the name in this folder: what stands under the other one may be replaced at any moment.
    if sha256_of(temporary) != sha256:
        temporary.unlink()
        raise NotReusable(f"{source} has other bytes than were stored")
    return temporary


def _linked(source: Path, folder: Path) -> Path:
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
        return write_synced(folder, _content(source), mode=READ_ONLY)
    _sync(temporary)
    return temporary


def _sync(file: Path) -> None:
    """Make the bytes of a linked file durable: whoever put the file there, such as a restored backup, may not have."""
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


def _is_there(folder: RunFolder, originals: OriginalFiles, picture: StoredPicture) -> bool:
    path = folder.original(picture.original)
    if originals.address is not None and not path.exists():
        # Whether the bucket has it shows when it is brought.
        return True
    try:
        return not path.is_symlink() and path.is_file() and path.stat().st_size == picture.bytes
    except OSError:
        return False


def _stored(
    folder: RunFolder, originals: OriginalFiles, db: sqlite3.Connection, keys: Sequence[str]
) -> Mapping[str, Found]:
    pictures: dict[str, list[StoredPicture]] = {}
    answered: dict[str, int | None] = {}
    for key, answered_ms, original, sha256, size, name, width, height, duration_ms, revised in db.execute(
        _STORED, ('["' + '","'.join(keys) + '"]' if keys else "[]", State.STORED)
    ):
        found = Format(name, suffix_of(original), width, height, duration_ms)
        pictures.setdefault(key, []).append(StoredPicture(original, sha256, size, found, revised))
        answered[key] = answered_ms
    return {key: Found(folder.root, tuple(some), answered[key], originals) for key, some in pictures.items()}


_STORED = """
SELECT r.key, coalesce(r.answered_ms, r.ended_ms), p.original, p.sha256, p.bytes, p.format, p.width, p.height,
       p.duration_ms, p.revised_prompt
FROM json_each(?) wanted JOIN requests r ON r.key = wanted.value JOIN pictures p ON p.request_id = r.id
WHERE r.state = ? AND r.discarded_ms IS NULL ORDER BY r.id, p.ordinal
"""
