"""The copies of input pictures in a run folder, ``inputs/<sha256>.<extension>``: what was edited lies beside results.

A run folder is foreign input: copies are named by digests alone, and no link is followed, neither to write nor to read.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import pybase64

from batchgen.errors import FolderMismatch
from batchgen.request import Input
from batchgen.store.folder.atomic import make_folder, sync_folder
from batchgen.store.folder.run_folder import RunFolder

INPUTS = "inputs"

_EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/gif": "gif",
    "image/tiff": "tiff",
}
_NAME = re.compile(rf"([0-9a-f]{{64}})\.({'|'.join(_EXTENSIONS.values())})")
_DIGEST = re.compile("sha256:([0-9a-f]{64})")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_copy(file: str) -> bool:
    """Return whether ``file``, relative to a run folder, is what a copy of an input is called."""
    folder, _, name = file.partition("/")
    return folder == INPUTS and _NAME.fullmatch(name) is not None


class InputCopies:
    """The copies in one run folder, as they lay there when this was first asked, and those that were made since."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder

    @cached_property
    def _files(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for prefix, part in self._folder.parts:
            for digest, name in _listed(part.inputs).items():
                found.setdefault(digest, f"{prefix}{INPUTS}/{name}")
        return found

    def __bool__(self) -> bool:
        return bool(self._files)

    def files(self, digests: Iterable[str]) -> list[str]:
        """Return the copies of inputs with these ``digests``, relative to the run folder; an address has none."""
        found = (self._files.get(match[1]) for digest in digests if (match := _DIGEST.fullmatch(digest)))
        return [file for file in found if file]

    def keep(self, wanted: Iterable[Input]) -> None:
        """Copy each input that has bytes and no copy; one whose file has other bytes by now is left out.

        Raises :class:`OSError` if the disk fails, and :class:`FolderMismatch` if a link stands in the folder's place.
        """
        for one in wanted:
            match = _DIGEST.fullmatch(one.digest)
            if match and match[1] not in self._files and (content := _content(one)) is not None:
                if sha256(content).hexdigest() != match[1]:
                    continue
                name = f"{match[1]}.{_EXTENSIONS.get(one.media_type, 'png')}"
                self._write(name, content)
                self._files[match[1]] = f"{INPUTS}/{name}"

    def _write(self, name: str, content: bytes) -> None:
        place = self._folder.inputs
        try:
            make_folder(place, self._folder.root)
            handle = os.open(place, _FOLDER)
        except OSError as error:
            if error.errno not in {errno.ELOOP, errno.ENOTDIR, errno.EEXIST}:
                raise
            raise FolderMismatch(f"{place}: a link or a file stands where the copies of inputs belong") from error
        temporary = f".{secrets.token_hex(8)}.part"
        try:
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(temporary, flags, 0o666, dir_fd=handle), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=handle, dst_dir_fd=handle)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=handle)
            os.close(handle)
        sync_folder(place)


def _listed(place: Path) -> dict[str, str]:
    """Return the names of the copies in a folder by their digests: regular files alone."""
    found: dict[str, str] = {}
    try:
        handle = os.open(place, _FOLDER)
    except OSError:
        return found
    try:
        for name in sorted(os.listdir(handle)):  # noqa: PTH208 - by descriptor, so that no link is followed
            match = _NAME.fullmatch(name)
            if match and stat.S_ISREG(os.stat(name, dir_fd=handle, follow_symlinks=False).st_mode):
                found.setdefault(match[1], name)
    finally:
        os.close(handle)
    return found


def _content(one: Input) -> bytes | None:
    """Return the bytes of an input, ``None`` for an address; of a file that is gone there are none either."""
    if one.path is not None:
        with suppress(OSError):
            return one.path.read_bytes()
        return None
    if one.uri is not None and one.uri[:5].lower() == "data:":
        return pybase64.b64decode(one.uri.partition(",")[2])
    return None
