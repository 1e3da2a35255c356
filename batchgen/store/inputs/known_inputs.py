"""What is known of input pictures from an earlier day, so that an unchanged file is neither read nor decoded again.

A file in the user's cache folder, which can be lost without loss. What is sent is hashed once more as it is sent: a
file that lies here can stop a request, and can't have other bytes sent.
"""

from __future__ import annotations

import os
import secrets
import time
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec

from batchgen.store.inputs.decode_worker import Decoded
from batchgen.store.media.picture_header import PictureHeader

# Increased whenever a picture that was good before has to be looked at again.
_VERSION = 1
_LARGEST_BYTES = 256 << 20
# A file that was written just before it was read may be written again in the same tick of its file system's clock.
_TICK_NS = 100_000_000
_COARSE_TICK_NS = 2_100_000_000


class InputFile(msgspec.Struct, frozen=True):
    """A file's bytes by their SHA-256, and what they say of themselves."""

    sha256: str
    header: PictureHeader


class _Noted(msgspec.Struct, frozen=True):
    bytes: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    found: InputFile


class _Kept(msgspec.Struct, frozen=True):
    version: int
    files: dict[str, _Noted]
    decoded: dict[str, Decoded]


class KnownInputs:
    """The memory of one manifest's folder, by path and by digest; without a cache folder, nothing is kept."""

    def __init__(self, cache: Path | None, folder: Path) -> None:
        name = blake2b(os.fsencode(folder), digest_size=8).hexdigest()
        self._place = cache / f"inputs-{name}.json" if cache else None
        kept = _read(self._place) if self._place else None
        self._files = kept.files if kept else {}
        self._decoded = kept.decoded if kept else {}
        self._changed = False

    def file(self, path: Path, stat: os.stat_result) -> InputFile | None:
        """Return what a file is, if it was read before and has not changed since."""
        noted = self._files.get(str(path))
        return noted.found if noted and _as_noted(stat, noted.found) == noted else None

    def note_file(self, path: Path, stat: os.stat_result, found: InputFile) -> None:
        """Remember what a file is; ``stat`` is from before it was read."""
        tick_ns = _TICK_NS if stat.st_mtime_ns % 1_000_000 else _COARSE_TICK_NS
        if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > tick_ns:
            self._files[str(path)] = _as_noted(stat, found)
            self._changed = True

    def decoded(self, sha256: str) -> Decoded | None:
        """Return what decoding told of a picture, if it was decoded before."""
        return self._decoded.get(sha256)

    def note_decoded(self, sha256: str, found: Decoded) -> None:
        """Remember what decoding told of a picture."""
        self._decoded[sha256] = found
        self._changed = True

    def save(self) -> None:
        """Keep what is new for the next time; a disk that takes nothing is no error."""
        if self._place is None or not self._changed:
            return
        with suppress(OSError):
            self._place.parent.mkdir(parents=True, exist_ok=True)
            temporary = self._place.with_name(f".{secrets.token_hex(8)}.part")
            try:
                temporary.write_bytes(msgspec.json.encode(_Kept(_VERSION, self._files, self._decoded)))
                temporary.replace(self._place)
            finally:
                temporary.unlink(missing_ok=True)
        self._changed = False


def _as_noted(stat: os.stat_result, found: InputFile) -> _Noted:
    # The time of the last change of the inode tells of edits that set the time of the bytes back.
    return _Noted(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino, found)


def _read(place: Path) -> _Kept | None:
    try:
        if place.stat().st_size > _LARGEST_BYTES:
            return None
        kept = _decoder.decode(place.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return kept if kept.version == _VERSION else None


_decoder = msgspec.json.Decoder(_Kept)
