"""Films in ISO media files (MP4, QuickTime): whether one is whole, how long it is and how large.

The rules are those of ISO/IEC 14496-12. Nothing is decoded: boxes and the sizes they state are enough to find a cut.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from batchgen.wording import counted

# No film has so many boxes or elements in one place; a file made to keep a reader busy has.
MOST_PARTS = 500_000


class Incomplete(Exception):
    """A film that is not all there, or no film; the message follows "a film"."""


@dataclass(frozen=True, slots=True)
class Film:
    """What a container says of its film; ``None`` for what it does not say."""

    width: int | None = None
    height: int | None = None
    duration_ms: int | None = None


@dataclass(frozen=True, slots=True)
class _Box:
    kind: bytes
    body: memoryview
    to_end: bool  # the box states no size and goes on as far as the file does


def brands(content: bytes | memoryview) -> frozenset[bytes]:
    """Return the brands a file says it can be read as: its own and the compatible ones."""
    box = bytes(content[: min(int.from_bytes(content[:4], "big"), 4096)])
    return frozenset({box[8:12], *(box[place : place + 4] for place in range(16, len(box) - 3, 4))})


def boxes_fit(content: bytes | memoryview) -> bool:
    """Return whether every box ends where the file does, or before."""
    try:
        return bool(list(_boxes(memoryview(content))))
    except Incomplete:
        return False


def read_film(content: bytes | memoryview) -> Film:
    """Return the film in a file. Raises :class:`Incomplete` if a part of the film is missing."""
    top = list(_boxes(memoryview(content)))
    movie = next((box.body for box in top if box.kind == b"moov"), None)
    if movie is None:
        raise Incomplete("without an index (moov): it was cut, or not written to its end")
    tracks = [box.body for box in _boxes(movie) if box.kind == b"trak"]
    pictures = next((track for track in tracks if bytes(_inside(track, b"mdia", b"hdlr")[8:12]) == b"vide"), None)
    if pictures is None:
        raise Incomplete("without a track of pictures")
    media = [box for box in top if box.kind == b"mdat"]
    if not any(len(box.body) for box in media):
        raise Incomplete("without any pictures in it (mdat)")
    if any(box.to_end for box in media) and not any(box.kind == b"moof" for box in top):
        # That box can't tell whether it was cut; the samples that must be in it can.
        needed, there = sum(map(_sample_bytes, tracks)), sum(len(box.body) for box in media)
        if needed > there:
            raise Incomplete(f"of {counted(needed, 'byte')} that has only {there:,}")
    width, height = _size(_inside(pictures, b"tkhd"))
    return Film(width, height, _duration_ms(movie))


def _boxes(content: memoryview) -> Iterator[_Box]:
    place = count = 0
    while place + 8 <= len(content):
        count += 1
        if count > MOST_PARTS:
            raise Incomplete(f"of more than {MOST_PARTS:,} parts")
        size, kind = struct.unpack_from(">I4s", content, place)
        start = place + 8
        if size == 1:
            if start + 8 > len(content):
                raise Incomplete("that ends too early")
            (size,) = struct.unpack_from(">Q", content, start)
            start += 8
        end = place + size if size else len(content)
        if not start <= end <= len(content):
            raise Incomplete(f"of {counted(len(content), 'byte')} that ends too early")
        yield _Box(kind, content[start:end], to_end=size == 0)
        place = end


def _inside(body: memoryview, *path: bytes) -> memoryview:
    """Return the body of the first box at ``path``; an empty one if there is none."""
    for kind in path:
        body = next((box.body for box in _boxes(body) if box.kind == kind), body[:0])
    return body


def _sample_bytes(track: memoryview) -> int:
    table = _inside(track, b"mdia", b"minf", b"stbl", b"stsz")
    if len(table) < 12:
        return 0
    size, count = struct.unpack_from(">II", table, 4)
    if size:
        return int(size) * int(count)
    count = min(count, (len(table) - 12) // 4)
    return sum(size for (size,) in struct.iter_unpack(">I", table[12 : 12 + 4 * count]))


def _size(header: memoryview) -> tuple[int | None, int | None]:
    """Return width and height at the end of a track's header, which states them in 1/65536 of a pixel."""
    if len(header) < 84:
        return None, None
    width, height = (side >> 16 for side in struct.unpack_from(">II", header, len(header) - 8))
    return width or None, height or None


def _duration_ms(movie: memoryview) -> int | None:
    header, extends = _inside(movie, b"mvhd"), _inside(movie, b"mvex", b"mehd")
    long = bytes(header[:1]) == b"\x01"
    if len(header) < (32 if long else 20):
        return None
    per_second, duration = struct.unpack_from(">IQ", header, 20) if long else struct.unpack_from(">II", header, 12)
    if not duration and len(extends) >= 8:
        # A film in fragments states its length, if at all, in a box of its own.
        (duration,) = struct.unpack_from(">Q" if extends[0] == 1 and len(extends) >= 12 else ">I", extends, 4)
    unknown = duration in {0, 2**32 - 1, 2**64 - 1} or not per_second
    return None if unknown else round(duration * 1000 / per_second)
