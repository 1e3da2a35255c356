"""How pictures and films begin and end: enough to know that an answer holds a whole one.

The room of pictures judges a file before it is published; here a signature decides whether a text is a picture at all.
"""

from __future__ import annotations

from typing import Protocol

HEAD_BYTES = 64
_TAIL_BYTES = 64

_SIGNATURES = (
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"\xff\xd8\xff", "jpeg"),
    (b"GIF87a", "gif"),
    (b"GIF89a", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"\x1a\x45\xdf\xa3", "webm"),
)
# Formats that state nowhere how long they are: whether one was cut shows only when it is decoded.
ENDLESS = frozenset({"tiff", "webm"})
# A file of boxes made to keep a reader busy has more than any picture or film at its top.
_MOST_BOXES = 100_000


class Sliced(Protocol):
    """Bytes, in memory or not: what stands in a place is read when it is asked for."""

    def __len__(self) -> int: ...

    def __getitem__(self, place: slice, /) -> bytes | memoryview: ...


def signature(head: bytes) -> str | None:
    """Return the name of the format that begins like ``head``, or ``None``."""
    for beginning, name in _SIGNATURES:
        if head.startswith(beginning):
            return name
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return "boxes"
    return "svg" if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith((b"<svg", b"<?xml")) else None


def is_whole(content: Sliced) -> bool:
    """Return whether ``content`` is a picture or film whose end is there, as far as its format has one."""
    head, tail = bytes(content[:HEAD_BYTES]), bytes(content[-_TAIL_BYTES:])
    match signature(head):
        case "png":
            # Here and below: some encoders append a few bytes of their own behind the end marker.
            return b"IEND\xaeB`\x82" in tail
        case "jpeg":
            return b"\xff\xd9" in tail
        case "gif":
            return tail.rstrip(b"\0")[-1:] == b";"
        case "webp":
            return len(content) >= int.from_bytes(head[4:8], "little") + 8
        case "svg":
            return b"<svg" in bytes(content[:4096]) and tail.rstrip().endswith(b"</svg>")
        case "boxes":
            return _boxes_end_with(content)
        case name:
            return name is not None and len(content) > HEAD_BYTES


def _boxes_end_with(content: Sliced) -> bool:
    """Return whether the boxes of an ISO media file end where the bytes do (ISO/IEC 14496-12, 4.2)."""
    place = 0
    for _ in range(_MOST_BOXES):
        size = int.from_bytes(content[place : place + 4], "big")
        if size == 1:
            size = int.from_bytes(content[place + 8 : place + 16], "big")
        if size == 0 or size < 8:
            return size == 0 and place + 8 <= len(content)
        place += size
        if place >= len(content):
            return place == len(content)
    return False
