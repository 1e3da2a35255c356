"""What bytes are, judged by the bytes: services answer with other formats than were asked for.

The default check reads the header and the end marker. It finds cut and swapped files at a fraction of the price of
decoding them (0.1 ms against 7 to 78 ms for 1024²).
"""

from __future__ import annotations

import io
import struct
import warnings
from dataclasses import dataclass

# Larger pictures than this are taken for decompression bombs.
MAX_PIXELS = 100_000_000
_TAIL_BYTES = 64


class NotAPicture(Exception):
    """The bytes are no whole picture or film that can be named and published."""


@dataclass(frozen=True, slots=True)
class Format:
    """What a file is: its format's name, the extension it gets, and its size in pixels where that is known."""

    name: str
    extension: str
    width: int | None = None
    height: int | None = None


def inspect(content: bytes) -> Format:
    """The format of ``content``; raises :class:`NotAPicture` with what was found instead."""
    if not content:
        raise NotAPicture("the file is empty")
    name = _name(content[:64])
    if name is None:
        raise NotAPicture(f"no picture, it begins with {content[:24]!r}")
    if not _complete(name, content):
        raise NotAPicture(f"a {name} file of {len(content):,} bytes that ends too early")
    if name in _UNMEASURED:
        return Format(name, _EXTENSIONS[name])
    width, height = _measure(name, content)
    return Format(name, _EXTENSIONS[name], width, height)


_EXTENSIONS = {
    "png": "png",
    "jpeg": "jpg",
    "webp": "webp",
    "gif": "gif",
    "tiff": "tiff",
    "avif": "avif",
    "svg": "svg",
    "mp4": "mp4",
    "webm": "webm",
}
_UNMEASURED = frozenset({"svg", "mp4", "webm", "avif"})


def _name(head: bytes) -> str | None:
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[:6] in {b"GIF87a", b"GIF89a"}:
        return "gif"
    if head[:4] in {b"II*\0", b"MM\0*"}:
        return "tiff"
    if head[4:8] == b"ftyp":
        return "avif" if head[8:12] in {b"avif", b"avis"} else "mp4"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "webm"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return "svg" if text.startswith((b"<svg", b"<?xml")) else None


def _complete(name: str, content: bytes) -> bool:
    """Whether the end marker is where the format wants it; formats without one are taken as they are."""
    match name:
        case "png":
            # Here and below: some encoders append a few bytes of their own behind the end marker.
            return b"\0\0\0\0IEND\xaeB`\x82" in content[-_TAIL_BYTES:]
        case "jpeg":
            return b"\xff\xd9" in content[-_TAIL_BYTES:]
        case "webp":
            (size,) = struct.unpack("<I", content[4:8])
            return len(content) >= int(size) + 8
        case "gif":
            return content.rstrip(b"\0")[-1:] == b";"
        case "svg":
            return b"<svg" in content and content.rstrip().endswith(b">")
        case "avif" | "mp4":
            return _boxes_fit(content)
        case _:
            return True


def _boxes_fit(content: bytes) -> bool:
    """Whether the boxes of an ISO media file (ISO/IEC 14496-12, 4.2) end where the file does, or before."""
    place = 0
    while place + 8 <= len(content):
        (size,) = struct.unpack_from(">I", content, place)
        if size == 0:
            return True
        if size == 1:
            (size,) = struct.unpack_from(">Q", content.ljust(place + 16, b"\0"), place + 8)
        if size < 8 or place + size > len(content):
            return False
        place += size
    return True


def _measure(name: str, content: bytes) -> tuple[int, int]:
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Pillow warns of odd metadata, and from half its own limit on; ours is checked below.
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as picture:
                width, height = picture.size
                if name == "tiff" and width * height <= MAX_PIXELS:
                    # It has no end marker, and its strips may stand anywhere.
                    picture.load()
    except Exception as error:
        # Damaged bytes make Pillow's plugins raise whatever they stumble over.
        raise NotAPicture(f"a {name} file that can't be opened: {error}") from error
    if width * height > MAX_PIXELS:
        raise NotAPicture(f"{width}x{height} is more than {MAX_PIXELS // 1_000_000} million pixels")
    return width, height
