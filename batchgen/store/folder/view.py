"""The names in ``images/``: links to the pictures under their keys, made and taken away as the ledger wants them.

Whatever is done here can be done again, and a kill in the middle of it costs nothing: the pictures themselves are never
touched. A name is *ours* if it is the file that we put there, or has the same bytes; every other file is left alone.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

from batchgen.errors import FolderMismatch, LedgerDamaged
from batchgen.store.folder.atomic import make_folder, sha256_of, sync_folder
from batchgen.store.folder.run_folder import RunFolder

IMAGES = "images"

# FICLONE of Linux: a file of its own that shares its blocks with another one (btrfs, XFS).
_FICLONE = 0x40049409
# What a file system answers that can't link: it has no links, too many of them are there, or they lead to another disk.
_CANT_LINK = frozenset({errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV})
_CANT_CLONE = frozenset({*_CANT_LINK, errno.EINVAL, errno.ENOTTY})
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Name:
    """A name to be settled on disk: to show the picture ``original``, or to be taken away if that is ``None``.

    ``held`` is the original that we made the name for last.
    """

    file: str
    original: str | None
    sha256: str | None
    held: str | None

    @property
    def stem(self) -> str:
        return stem_of(self.file)


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of names on disk: ``made`` with their originals and inodes, ``removed``, or ``taken`` by other files.

    ``missing`` have no original any more. ``folders`` are to be synced before any of this is recorded.
    """

    made: Sequence[tuple[str, str, int]] = ()
    removed: Sequence[str] = ()
    taken: Sequence[str] = ()
    missing: Sequence[str] = ()
    folders: Sequence[Path] = ()


def stem_of(file: str) -> str:
    """Return a file's name without its extension."""
    return str(PurePosixPath(file).with_suffix(""))


@dataclass(frozen=True, slots=True)
class Listing:
    """The files of one folder below the run folder, each with its inode; hidden ones are left out."""

    folder: str
    inodes: Mapping[str, int]


def list_images(folder: RunFolder) -> Iterator[Listing]:
    """Return what lies in ``images/``, folder by folder, without asking for more than names and inodes.

    Raises :class:`FolderMismatch` if a link stands where a folder of ours, or a file under one of our names, belongs.
    """
    below = [IMAGES]
    while below:
        here = below.pop()
        inodes: dict[str, int] = {}
        with contextlib.suppress(FileNotFoundError), os.scandir(folder.root / here) as entries:
            for entry in entries:
                if entry.is_symlink():
                    raise _link(folder, f"{here}/{entry.name}")
                if entry.is_dir():
                    below.append(f"{here}/{entry.name}")
                elif not entry.name.startswith("."):
                    inodes[entry.name] = entry.inode()
        yield Listing(here, inodes)


def _link(folder: RunFolder, file: str) -> FolderMismatch:
    return FolderMismatch(
        f"{folder.root / file}: a link stands where a file or folder of batchgen belongs. Nothing was sent. Put what "
        "it leads to in its place, or use another run folder: --out"
    )


class View:
    """The names of one run folder. Used by several threads; none of its calls is for the event loop."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._links = Links()

    def settle(self, names: Iterable[Name]) -> Settled:
        """Bring names to disk or take them away; durable once the ``folders`` of the answer are synced.

        Raises :class:`OSError` if the disk fails, and :class:`LedgerDamaged` for a name that is none of ours.
        """
        made: list[tuple[str, str, int]] = []
        removed: list[str] = []
        taken: list[str] = []
        missing: list[str] = []
        with _Folders(self._folder.root) as folders:
            for name in names:
                parent, base = _parts(name.file)
                handle = folders.open(parent, make=name.original is not None)
                if name.original is None:
                    if handle is not None:
                        self._take_away(handle, base, name)
                        folders.touched.add(parent)
                    removed.append(name.file)
                    continue
                assert handle is not None
                found = self._show(handle, base, name)
                if isinstance(found, int):
                    made.append((name.file, name.original, found))
                    folders.touched.add(parent)
                else:
                    (missing if found == "missing" else taken).append(name.file)
        self._remove_empty(removed)
        touched = tuple(self._folder.root / folder for folder in sorted(folders.touched))
        return Settled(made, removed, taken, missing, folders=touched)

    @property
    def copies(self) -> bool:
        """Return whether names are copies by now, since the file system has no links."""
        return self._links.copied

    def _take_away(self, handle: int, base: str, name: Name) -> None:
        """Remove a name that still shows what we put there; another file of that name is its user's."""
        found = _stat(base, handle)
        if found is not None and self._is_held(handle, base, found, name):
            os.unlink(base, dir_fd=handle)

    def _show(self, handle: int, base: str, name: Name) -> int | str:
        """Return the inode of the name that shows the picture now, or why it is not shown."""
        assert name.original is not None
        original = self._folder.original(name.original)
        found = _stat(base, handle)
        try:
            source = original.stat(follow_symlinks=False)
        except FileNotFoundError:
            if found is None or not _same_bytes(base, handle, name.sha256):
                return "missing"
            # The only copy there is: these bytes come back under their key.
            self._bring_back(handle, base, original)
            source = original.stat(follow_symlinks=False)
        if not stat.S_ISREG(source.st_mode):
            raise _link(self._folder, original.relative_to(self._folder.root).as_posix())
        if found is None:
            return self._links.place(original, handle, base)
        if (found.st_ino, found.st_dev) == (source.st_ino, source.st_dev):
            return found.st_ino
        if self._is_held(handle, base, found, name) or _same_bytes(base, handle, name.sha256):
            return self._links.place(original, handle, base, replace=True)
        return "taken"

    def _bring_back(self, handle: int, base: str, original: Path) -> None:
        make_folder(original.parent, self._folder.root)
        temporary = original.parent / f".{secrets.token_hex(8)}.part"
        with _opened(base, handle) as source, temporary.open("xb") as copy:
            shutil.copyfileobj(source, copy)
            copy.flush()
            os.fsync(copy.fileno())
            os.fchmod(copy.fileno(), 0o444)
        temporary.rename(original)
        sync_folder(original.parent)

    def _is_held(self, handle: int, base: str, found: os.stat_result, name: Name) -> bool:
        """Return whether a file is what we put there: another link of that picture, or one with the same bytes.

        That it is the file we made is not enough: the blocks of a copy are its own, and its user may have edited it.
        """
        if name.held is None or not stat.S_ISREG(found.st_mode):
            return False
        held = self._folder.original(name.held)
        with contextlib.suppress(FileNotFoundError):
            there = held.stat(follow_symlinks=False)
            if (there.st_ino, there.st_dev) == (found.st_ino, found.st_dev):
                return True
            return there.st_size == found.st_size and _same_bytes(base, handle, sha256_of(held))
        return False

    def _remove_empty(self, removed: Iterable[str]) -> None:
        for parent in {file.rpartition("/")[0] for file in removed}:
            level = self._folder.root / parent
            while level != self._folder.images:
                try:
                    level.rmdir()
                except OSError:
                    break
                level = level.parent


class _Folders:
    """The folders that names stand in, opened by descriptor, so that no link leads out of the run folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._open: dict[str, int] = {}
        self.touched: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def open(self, folder: str, *, make: bool) -> int | None:
        """Return the descriptor of a folder, made if ``make`` says so; ``None`` if the folder isn't there."""
        if folder in self._open:
            return self._open[folder]
        parent, _, base = folder.rpartition("/")
        try:
            if not parent:
                handle = os.open(self._root / base, _DIRECTORY)
            else:
                above = self.open(parent, make=make)
                if above is None:
                    return None
                handle = self._made(above, base, parent) if make else os.open(base, _DIRECTORY, dir_fd=above)
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno in {errno.ELOOP, errno.ENOTDIR}:
                raise _link(RunFolder(self._root), folder) from error
            raise
        if len(self._open) >= _MOST_OPEN:
            self._close()
        self._open[folder] = handle
        return handle

    def _made(self, above: int, base: str, parent: str) -> int:
        with contextlib.suppress(FileExistsError):
            os.mkdir(base, dir_fd=above)
            self.touched.add(parent)
        return os.open(base, _DIRECTORY, dir_fd=above)

    def _close(self) -> None:
        for handle in self._open.values():
            os.close(handle)
        self._open.clear()


_MOST_OPEN = 200


def _parts(file: str) -> tuple[str, str]:
    """Return folder and name of a file below ``images/``; a ledger may be a stranger's.

    Raises :class:`LedgerDamaged` for a name that leads elsewhere.
    """
    parts = file.split("/")
    if len(parts) < 2 or parts[0] != IMAGES or not all(map(_is_plain, parts)):
        raise LedgerDamaged(f"the ledger has a name that is none below {IMAGES}/: {file!r}. Nothing was touched")
    return "/".join(parts[:-1]), parts[-1]


def _is_plain(part: str) -> bool:
    return (
        bool(part) and part not in {".", ".."} and not part.startswith(".") and part.isprintable() and "\\" not in part
    )


def _stat(base: str, handle: int) -> os.stat_result | None:
    try:
        return os.stat(base, dir_fd=handle, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _same_bytes(base: str, handle: int, sha256: str | None) -> bool:
    if sha256 is None:
        return False
    with contextlib.suppress(OSError), _opened(base, handle) as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    return False


def _opened(base: str, handle: int) -> BufferedReader:
    """Return a plain file, opened; another kind of thing, such as a pipe that would never end, is an error."""
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = open(os.open(base, flags, dir_fd=handle), "rb")  # noqa: PTH123, SIM115 - by descriptor
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "no plain file", base)
    return file


class Links:
    """The maker of names by the best way a file system has: blocks shared with the picture, a hard link, or a copy."""

    def __init__(self) -> None:
        self._clones = True
        self._links = True

    @property
    def copied(self) -> bool:
        """Return whether names are copies, since the file system has no links."""
        return not self._clones and not self._links

    def place(self, original: Path, handle: int, base: str, *, replace: bool = False) -> int:
        """Name ``original`` in a folder, in the place of another file if it is to ``replace`` it; return the inode."""
        self._place(original, handle, base, replace=replace)
        return os.stat(base, dir_fd=handle, follow_symlinks=False).st_ino

    def _place(self, original: Path, handle: int, base: str, *, replace: bool) -> None:
        if self._clones:
            try:
                _copy(original, handle, base, _clone)
            except OSError as error:
                if error.errno not in _CANT_CLONE:
                    raise
                self._clones = False
            else:
                return
        if self._links:
            try:
                _link_to(original, handle, base, replace=replace)
            except OSError as error:
                if error.errno not in _CANT_LINK:
                    raise
                # Too many links to one picture say nothing of the others.
                self._links = error.errno == errno.EMLINK
            else:
                return
        _copy(original, handle, base, shutil.copyfileobj)


def _link_to(original: Path, handle: int, base: str, *, replace: bool) -> None:
    if not replace:
        os.link(original, base, dst_dir_fd=handle, follow_symlinks=False)
        return
    temporary = _temporary()
    os.link(original, temporary, dst_dir_fd=handle, follow_symlinks=False)
    try:
        os.rename(temporary, base, src_dir_fd=handle, dst_dir_fd=handle)
    finally:
        # A rename between two names of one file leaves both.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=handle)


def _copy(original: Path, handle: int, base: str, fill: Callable[[BinaryIO, BinaryIO], object]) -> None:
    """Name a file of its own, which ``fill`` gives the bytes of ``original``; a kill leaves none or all of it."""
    temporary = _temporary()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with original.open("rb") as source, os.fdopen(os.open(temporary, flags, 0o666, dir_fd=handle), "wb") as target:
        try:
            fill(source, target)
            target.flush()
            os.fsync(target.fileno())
            os.rename(temporary, base, src_dir_fd=handle, dst_dir_fd=handle)
        except BaseException:
            os.unlink(temporary, dir_fd=handle)
            raise


def _temporary() -> str:
    return f".{secrets.token_hex(8)}.part"


def _clone(source: BinaryIO, target: BinaryIO) -> None:
    if sys.platform != "linux":
        raise OSError(errno.ENOTSUP, "no clones here")
    fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
