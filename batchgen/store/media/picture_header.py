"""What a still picture says of itself, read without a decoder: its size, its form, and whether its end is there.

For pictures that users send: `check` opens thousands of them, and must not load Pillow for that. Formats are told by
their bytes; what stands behind a picture's end (a camera's film, a second picture) is left alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Literal

import msgspec

from batchgen.store.media.sniff import MAX_PIXELS
from batchgen.wording import counted

Kind = Literal["png", "jpeg", "webp", "gif", "tiff"]


class BrokenPicture(Exception):
    """The bytes are no whole picture; the message follows the picture's name."""


class PictureHeader(msgspec.Struct, frozen=True):
    """What a picture's own bytes say of it.

    ``orientation`` is that of EXIF: 1 is upright, 2 to 8 are mirrored or turned. ``bits`` are those of one channel.
    """

    kind: Kind
    width: int
    height: int
    alpha: bool = False
    cmyk: bool = False
    bits: int = 8
    animated: bool = False
    orientation: int = 1

    @property
    def size(self) -> tuple[int, int]:
        return self.width, self.height


def read_header(content: bytes) -> PictureHeader | None:
    """Return what a picture says of itself; ``None`` for bytes that are no PNG, JPEG, WebP, GIF or TIFF.

    Raises :class:`BrokenPicture` if a part of the picture is missing or damaged, or if the picture is too large.
    """
    try:
        if content.startswith(b"\x89PNG\r\n\x1a\n"):
            found = _png(content)
        elif content.startswith(b"\xff\xd8\xff"):
            found = _jpeg(content)
        elif content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            found = _webp(content)
        elif content[:6] in {b"GIF87a", b"GIF89a"}:
            found = _gif(content)
        elif content[:4] in {b"II*\0", b"MM\0*"}:
            found = _tiff(content)
        else:
            return None
    except (struct.error, IndexError):
        raise _cut(content) from None
    if not found.width or not found.height:
        raise BrokenPicture(f"is damaged: it states a size of {found.width}x{found.height}")
    if found.width * found.height > MAX_PIXELS:
        most = f"{MAX_PIXELS // 1_000_000} million pixels at most"
        raise BrokenPicture(f"is too large: {found.width}x{found.height}, and a picture has {most}")
    return found


def _cut(content: bytes) -> BrokenPicture:
    return BrokenPicture(f"is cut off: its end is missing after {counted(len(content), 'byte')}")


def _png(content: bytes) -> PictureHeader:
    header: bytes | memoryview = b""
    has_pixels = alpha = animated = False
    orientation = 1
    for name, body in png_chunks(content):
        match name:
            case b"IHDR":
                header = body
            case b"IDAT":
                has_pixels = True
            case b"tRNS":
                alpha = True
            case b"acTL":
                animated = struct.unpack_from(">I", body)[0] > 1
            case b"eXIf":
                orientation = _orientation(bytes(body))
    if not header or not has_pixels:
        raise BrokenPicture("is damaged: it has no pixels")
    width, height, bits, colours = struct.unpack_from(">IIBB", header)
    return PictureHeader(
        "png", width, height, alpha or colours in {4, 6}, bits=bits, animated=animated, orientation=orientation
    )


def png_chunks(content: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Yield the chunks of a PNG up to its end, by their names. Raises :class:`BrokenPicture` for a wrong check sum."""
    place, view = 8, memoryview(content)
    while True:
        length, name = struct.unpack_from(">I4s", content, place)
        body = view[place + 8 : place + 8 + length]
        (stated,) = struct.unpack_from(">I", content, place + 8 + length)
        # Decoders skip what is damaged of the chunks that say something beside the picture.
        if name[:1].isupper() and zlib.crc32(body, zlib.crc32(name)) != stated:
            raise BrokenPicture("is damaged: a check sum is wrong")
        if name == b"IEND":
            return
        yield name, body
        place += 12 + length


# Start-of-frame markers: all of C0 to CF but the tables (C4, CC) and a marker that nobody uses (C8).
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})


def _jpeg(content: bytes) -> PictureHeader:
    frame: tuple[int, int, int, int] | None = None
    orientation, place = 1, 2
    while True:
        while content[place] == 0xFF and content[place + 1] == 0xFF:
            place += 1
        before, marker, length = struct.unpack_from(">BBH", content, place)
        if before != 0xFF:
            raise BrokenPicture("is damaged: its parts don't follow one another")
        body = content[place + 4 : place + 2 + length]
        if marker in _FRAMES:
            frame = struct.unpack_from(">BHHB", body)
        elif marker == 0xE1 and body.startswith(b"Exif\0\0"):
            orientation = _orientation(body[6:])
        elif marker == 0xDA:
            break
        place += 2 + length
    if frame is None:
        raise BrokenPicture("is damaged: it states no size")
    # A byte FF of the picture's own data is never followed by D9; a camera may put more behind its end.
    if content.find(b"\xff\xd9", place) < 0:
        raise _cut(content)
    bits, height, width, channels = frame
    return PictureHeader("jpeg", width, height, cmyk=channels == 4, bits=bits, orientation=orientation)


def _webp(content: bytes) -> PictureHeader:
    (size,) = struct.unpack_from("<I", content, 4)
    if len(content) < size + 8:
        raise _cut(content)
    frames, orientation = 0, 1
    measured: tuple[int, int] | None = None
    alpha = animated = False
    place = 12
    while place + 8 <= size + 8:
        name, length = struct.unpack_from("<4sI", content, place)
        body = content[place + 8 : place + 8 + length]
        if len(body) < length:
            raise _cut(content)
        match name:
            case b"VP8X":
                alpha, animated = bool(body[0] & 0x10), bool(body[0] & 0x02)
                measured = _long(body, 4) + 1, _long(body, 7) + 1
            case b"VP8 ":
                frames += 1
                width, height = struct.unpack_from("<HH", body, 6)
                measured = measured or (width & 0x3FFF, height & 0x3FFF)
            case b"VP8L":
                frames += 1
                (packed,) = struct.unpack_from("<I", body, 1)
                alpha = alpha or bool(packed >> 28 & 1)
                measured = measured or ((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
            case b"ANMF":
                frames += 1
            case b"EXIF":
                orientation = _orientation(body.removeprefix(b"Exif\0\0"))
        place += 8 + length + length % 2
    if measured is None or not frames:
        raise BrokenPicture("is damaged: it has no pixels")
    return PictureHeader("webp", *measured, alpha=alpha, animated=animated and frames > 1, orientation=orientation)


def _long(body: bytes, place: int) -> int:
    """Return a whole number of three bytes."""
    return body[place] | body[place + 1] << 8 | body[place + 2] << 16


def _gif(content: bytes) -> PictureHeader:
    width, height, flags = struct.unpack_from("<HHB", content, 6)
    place = 13 + _palette_bytes(flags)
    frames, alpha = 0, False
    while (kind := content[place]) != 0x3B:
        if kind == 0x21:
            alpha = alpha or (content[place + 1] == 0xF9 and bool(content[place + 3] & 1))
            place += 2
        elif kind == 0x2C:
            frames += 1
            place += 11 + _palette_bytes(content[place + 9])
        else:
            raise BrokenPicture("is damaged: its parts don't follow one another")
        while length := content[place]:
            place += 1 + length
        place += 1
    if not frames:
        raise BrokenPicture("is damaged: it has no pixels")
    return PictureHeader("gif", width, height, alpha, animated=frames > 1)


def _palette_bytes(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


_WIDTH, _HEIGHT, _BITS, _COLOURS, _STRIPS, _ORIENTATION = 256, 257, 258, 262, 273, 274
_STRIP_BYTES, _TILES, _TILE_BYTES, _EXTRA = 279, 324, 325, 338
# How many bytes a value of each TIFF type takes, and how whole numbers of the type are read.
_TYPES = {1: (1, "B"), 3: (2, "H"), 4: (4, "I")}
_MOST_STRIPS = 1_000_000


def _tiff(content: bytes) -> PictureHeader:
    order = "<" if content[:2] == b"II" else ">"
    (first,) = struct.unpack_from(f"{order}I", content, 4)
    fields, following = _directory(content, order, first)
    places = fields.get(_STRIPS) or fields.get(_TILES) or ()
    lengths = fields.get(_STRIP_BYTES) or fields.get(_TILE_BYTES) or ()
    if not places:
        raise BrokenPicture("is damaged: it has no pixels")
    if any(place + length > len(content) for place, length in zip(places, lengths, strict=False)):
        raise _cut(content)
    return PictureHeader(
        "tiff",
        _one(fields, _WIDTH, 0),
        _one(fields, _HEIGHT, 0),
        alpha=bool(fields.get(_EXTRA)),
        cmyk=_one(fields, _COLOURS, 0) == 5,
        bits=_one(fields, _BITS, 1),
        animated=following != 0,
        orientation=_upright(_one(fields, _ORIENTATION, 1)),
    )


def _orientation(exif: bytes) -> int:
    """Return the orientation that EXIF data state; whatever is wrong with such data never stands in the way."""
    if exif[:4] not in {b"II*\0", b"MM\0*"}:
        return 1
    order = "<" if exif[:2] == b"II" else ">"
    try:
        (first,) = struct.unpack_from(f"{order}I", exif, 4)
        fields, _ = _directory(exif, order, first)
    except (struct.error, BrokenPicture):
        return 1
    return _upright(_one(fields, _ORIENTATION, 1))


def _upright(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else 1


def _directory(content: bytes, order: str, place: int) -> tuple[dict[int, tuple[int, ...]], int]:
    """Return the whole numbers in a TIFF's directory by their tags, and where the next directory is."""
    (count,) = struct.unpack_from(f"{order}H", content, place)
    fields: dict[int, tuple[int, ...]] = {}
    for entry in range(place + 2, place + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(f"{order}HHI", content, entry)
        if kind not in _TYPES:
            continue
        length, letter = _TYPES[kind]
        if number > _MOST_STRIPS:
            raise BrokenPicture("is damaged: one of its lists has no end")
        at = entry + 8 if number * length <= 4 else struct.unpack_from(f"{order}I", content, entry + 8)[0]
        fields[tag] = struct.unpack_from(f"{order}{number}{letter}", content, at)
    (following,) = struct.unpack_from(f"{order}I", content, place + 2 + 12 * count)
    return fields, following


def _one(fields: dict[int, tuple[int, ...]], tag: int, otherwise: int) -> int:
    return next(iter(fields.get(tag, ())), otherwise)
