"""The size of a plain still picture, read from its header by hand: Pillow takes 20 µs and more to open one.

What is not as most pictures are is left to Pillow, which knows all of it: nothing is refused here.
"""

from __future__ import annotations

import struct
import zlib


def stated_size(name: str, content: bytes) -> tuple[int, int] | None:
    """Return width and height of a PNG, JPEG or WebP; ``None`` if a decoder has to say whether there is a picture."""
    read = _READERS.get(name)
    try:
        size = read(content) if read is not None else None
    except (struct.error, IndexError):
        return None
    return size if size is not None and all(size) else None


def _png(content: bytes) -> tuple[int, int] | None:
    """Return the size in the header, if every part up to the first pixels is whole and passes its check sum."""
    place, size = 8, None
    while True:
        length, kind = struct.unpack_from(">I4s", content, place)
        if kind == b"IDAT":
            return size
        (stated,) = struct.unpack_from(">I", content, place + 8 + length)
        if zlib.crc32(content[place + 4 : place + 8 + length]) != stated:
            return None
        if (kind == b"IHDR") != (size is None):
            return None
        if size is None:
            width, height, bits, colours, packing, filters, woven = struct.unpack_from(">IIBBBBB", content, place + 8)
            if length != 13 or bits != 8 or colours not in {0, 2, 4, 6} or packing or filters or woven > 1:
                return None
            size = width, height
        elif kind not in _PNG_PARTS:
            return None
        place += 12 + length


# What a decoder may read before the pixels without a word. Texts and profiles are packed, and may be bombs.
_PNG_PARTS = frozenset({b"sRGB", b"gAMA", b"cHRM", b"pHYs", b"PLTE", b"tIME", b"bKGD", b"sBIT"})


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """Return the size in the frame's header, if up to the first pixels there are segments that mean nothing else."""
    place, size = 2, None
    while True:
        before, marker, length = struct.unpack_from(">BBH", content, place)
        if before != 0xFF or length < 2:
            return None
        body = content[place + 4 : place + 2 + length]
        if len(body) != length - 2:
            return None
        if marker == 0xDA:
            return size
        if marker in {0xC0, 0xC1, 0xC2}:
            bits, height, width, channels = struct.unpack_from(">BHHB", body)
            if size is not None or bits != 8 or channels not in {1, 3} or length != 8 + 3 * channels:
                return None
            size = width, height
        elif marker == 0xDB:
            # Tables of 64 bytes, each behind its number; others are of 64 words.
            if len(body) % 65 or any(number > 3 for number in body[::65]):
                return None
        # Tables, a comment, the marker of JFIF: any other may change what the picture is.
        elif marker not in {0xC4, 0xDD, 0xE0, 0xFE} or (marker == 0xE0 and not body.startswith(b"JFIF\0")):
            return None
        place += 2 + length


def _webp(content: bytes) -> tuple[int, int] | None:
    """Return the size of the one frame of a simple file."""
    size, kind, length = struct.unpack_from("<I4x4sI", content, 4)
    # Its one chunk fills the file, to an even number of bytes.
    if size + 8 > len(content) or 12 + length + length % 2 != size:
        return None
    if kind == b"VP8 ":
        tag, start, width, height = struct.unpack_from("<3s3sHH", content, 20)
        frame = int.from_bytes(tag, "little")
        # A key frame of a known profile that is shown, with its first part inside.
        good = not frame & 1 and (frame >> 1) & 7 <= 3 and frame >> 4 & 1 and frame >> 5 < length
        return (width & 0x3FFF, height & 0x3FFF) if good and start == b"\x9d\x01\x2a" else None
    if kind == b"VP8L":
        signature, packed = struct.unpack_from("<BI", content, 20)
        good = signature == 0x2F and packed >> 29 == 0
        return ((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1) if good else None
    return None


_READERS = {"png": _png, "jpeg": _jpeg, "webp": _webp}
