"""Films in Matroska files (WebM is one): whether one is whole, how long it is and how large.

The rules are those of RFC 8794 (EBML) and RFC 9559 (Matroska). Nothing is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from batchgen.store.media.mp4 import MOST_PARTS, Film, Incomplete
from batchgen.wording import counted

_HEADER = 0x1A45DFA3
_DOCTYPE = 0x4282
_SEGMENT = 0x18538067
_INFO, _SCALE, _DURATION = 0x1549A966, 0x2AD7B1, 0x4489
_TRACKS, _TRACK, _VIDEO, _WIDTH, _HEIGHT = 0x1654AE6B, 0xAE, 0xE0, 0xB0, 0xBA
_SHOWN_WIDTH, _SHOWN_HEIGHT, _SHOWN_UNIT = 0x54B0, 0x54BA, 0x54B2
_CLUSTER = 0x1F43B675
# What stands directly in a segment: one of these ends a cluster that states no size.
_OF_A_SEGMENT = frozenset({_INFO, _TRACKS, _CLUSTER, 0x114D9B74, 0x1C53BB6B, 0x1941A469, 0x1043A770, 0x1254C367})

_DEFAULT_SCALE_NS = 1_000_000


@dataclass(frozen=True, slots=True)
class _Element:
    name: int
    body: memoryview


def doctype(content: bytes | memoryview) -> str:
    """Return ``webm``, ``matroska``, or an empty text if the header says neither."""
    try:
        header = next(_elements(memoryview(content)), None)
        found = _first(header.body, _DOCTYPE) if header and header.name == _HEADER else None
    except Incomplete:
        return ""
    return bytes(found).rstrip(b"\0").decode("ascii", "replace") if found is not None else ""


def read_film(content: bytes | memoryview) -> Film:
    """Return the film in a file. Raises :class:`Incomplete` if a part of the film is missing."""
    segment = next((one.body for one in _elements(memoryview(content)) if one.name == _SEGMENT), None)
    if segment is None:
        raise Incomplete("without a segment: it was cut")
    parts = list(_elements(segment))
    tracks = [one.body for part in parts if part.name == _TRACKS for one in _elements(part.body) if one.name == _TRACK]
    video = next((found for track in tracks if (found := _first(track, _VIDEO)) is not None), None)
    if video is None:
        raise Incomplete("without a track of pictures")
    clusters = [part for part in parts if part.name == _CLUSTER]
    if not any(list(_elements(cluster.body)) for cluster in clusters):
        raise Incomplete("without any pictures in it")
    info = next((part.body for part in parts if part.name == _INFO), segment[:0])
    width, height = _size(video)
    return Film(width, height, _duration_ms(info))


def _elements(content: memoryview) -> Iterator[_Element]:
    place = count = 0
    while place < len(content):
        count = _limited(count)
        name, start = _read(content, place, keep_marker=True)
        size, start = _read(content, start, keep_marker=False)
        end = start + size if size is not None else _end_of_unsized(content, name, start)
        if name is None or end > len(content):
            raise Incomplete(f"of {counted(len(content), 'byte')} that ends too early")
        yield _Element(name, content[start:end])
        place = end


def _end_of_unsized(content: memoryview, name: int | None, start: int) -> int:
    """Return the end of an element of unknown size, as live recorders write: the start of the next one of its rank."""
    if name != _CLUSTER:
        return len(content)
    place, count = start, 0
    while place < len(content):
        count = _limited(count)
        inner, after = _read(content, place, keep_marker=True)
        if inner in _OF_A_SEGMENT:
            return place
        size, after = _read(content, after, keep_marker=False)
        if size is None:
            raise Incomplete("that ends too early")
        place = after + size
    return place


def _limited(count: int) -> int:
    if count >= MOST_PARTS:
        raise Incomplete(f"of more than {MOST_PARTS:,} parts")
    return count + 1


def _read(content: memoryview, place: int, *, keep_marker: bool) -> tuple[int | None, int]:
    """Return a number of one to eight bytes, ``None`` if all its bits are ones, and the place behind the number."""
    if place >= len(content) or not content[place]:
        raise Incomplete("that ends too early")
    length = 9 - content[place].bit_length()
    if place + length > len(content):
        raise Incomplete("that ends too early")
    number = int.from_bytes(content[place : place + length], "big")
    if keep_marker:
        return number, place + length
    value = number & ((1 << 7 * length) - 1)
    return (None if value == (1 << 7 * length) - 1 else value), place + length


def _first(body: memoryview, name: int) -> memoryview | None:
    return next((one.body for one in _elements(body) if one.name == name), None)


def _number(body: memoryview | None) -> int | None:
    return int.from_bytes(body, "big") or None if body is not None and len(body) <= 8 else None


def _size(video: memoryview) -> tuple[int | None, int | None]:
    """Return width and height as the film is shown, which an MP4 states too: its frames' unless the film has others."""
    width, height = _number(_first(video, _WIDTH)), _number(_first(video, _HEIGHT))
    if _number(_first(video, _SHOWN_UNIT)):
        # Centimetres, inches or a mere ratio; 0 are pixels.
        return width, height
    return _number(_first(video, _SHOWN_WIDTH)) or width, _number(_first(video, _SHOWN_HEIGHT)) or height


def _duration_ms(info: memoryview) -> int | None:
    stated = _first(info, _DURATION)
    if stated is None or len(stated) not in {4, 8}:
        return None
    (duration,) = struct.unpack(">f" if len(stated) == 4 else ">d", stated)
    duration_ms = duration * (_number(_first(info, _SCALE)) or _DEFAULT_SCALE_NS) / 1_000_000
    # Neither nonsense nor infinity: a film of a year is none.
    return round(duration_ms) if 0 < duration_ms < 365 * 24 * 3_600_000 else None
