"""Input pictures and masks: found, checked and hashed once, however many requests use them."""

from __future__ import annotations

import binascii
import hashlib
import os
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.manifest import shown
from batchgen.manifest.images import LARGEST_IMAGE, image_problem
from batchgen.request import Input

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
)


class InputRefused(UsageError):
    """An input can't be sent; the message says which one and why."""


class Inputs:
    """Resolves the inputs of a manifest, relative to its folder; each distinct one is read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self._known: dict[str, Input] = {}

    def resolve(self, source: str) -> Input:
        """The input that ``source`` (a path, an https URL or a data URI) names. Raises :class:`InputRefused`."""
        known = self._known.get(source)
        if known is None:
            known = self._known[source] = self._read(source)
        return known

    def _read(self, source: str) -> Input:
        if problem := image_problem(source):
            raise InputRefused(f"an input {problem}")
        if source[:5].lower() == "data:":
            return _data_uri(source)
        if source[:6].lower() == "https:":
            return Input(source, f"url:{source}", uri=source)
        return self._file(source)

    def _file(self, source: str) -> Input:
        try:
            return self._opened(source)
        # A name that is too long, a folder that is closed, a NUL, a ring of links.
        except (OSError, ValueError, RuntimeError) as error:
            why = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
            raise InputRefused(f"{shown(source)} can't be read: {why}") from error

    def _opened(self, source: str) -> Input:
        path = (self._folder / source).resolve()
        if not path.is_relative_to(self._folder):
            raise InputRefused(f"{source!r} lies outside the manifest's folder {self._folder}; copy it there")
        if not path.exists():
            raise InputRefused(f"{source!r}: there is no such file in {self._folder}")
        if not path.is_file():
            raise InputRefused(f"{source!r} is no regular file")
        size = path.stat().st_size
        if size > LARGEST_IMAGE:
            raise InputRefused(f"{source!r} has {size:,} bytes, the service takes up to {LARGEST_IMAGE:,}")
        content = path.read_bytes()
        return Input(source, _digest(content), media_type=_picture_type(source, content), path=path)


def _data_uri(source: str) -> Input:
    content = binascii.a2b_base64(source.partition(",")[2])
    shown = f"{source[:40]}…"
    return Input(shown, _digest(content), media_type=_picture_type(shown, content), uri=source)


def _picture_type(source: str, content: bytes) -> str:
    if not content:
        raise InputRefused(f"{source!r} is empty")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    for signature, media_type in _SIGNATURES:
        if content.startswith(signature):
            return media_type
    raise InputRefused(f"{source!r} is no picture (png, jpeg, webp, gif, tiff): it begins with {content[:16]!r}")


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
