"""An MP4 file around a film: the fewest boxes that players ask for (ISO/IEC 14496-12 and -15), index first."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from batchgen.simulator.h264 import Stream

_MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
_UNDETERMINED = 0x55C4  # the language "und"


def mp4(stream: Stream, *, per_second: int) -> bytes:
    """The whole file."""
    samples = [struct.pack(">I", len(frame)) + frame for frame in stream.frames]
    head = _box(b"ftyp", b"isom\0\0\2\0isomiso2avc1mp41")
    # The index says where the samples begin, which depends on how long it is itself.
    behind = len(head) + len(_index(stream, samples, 0, per_second)) + 8
    return head + _index(stream, samples, behind, per_second) + _box(b"mdat", b"".join(samples))


def _index(stream: Stream, samples: Sequence[bytes], place: int, per_second: int) -> bytes:
    length = len(samples)
    movie = _full(b"mvhd", struct.pack(">4I", 0, 0, per_second, length), struct.pack(">IH10x", 0x10000, 0x100))
    track = _full(b"tkhd", struct.pack(">5I8x4H", 0, 0, 1, 0, length, 0, 0, 0, 0), flags=3)
    size = struct.pack(">II", stream.width << 16, stream.height << 16)
    media = _full(b"mdhd", struct.pack(">4IHH", 0, 0, per_second, length, _UNDETERMINED, 0))
    handler = _full(b"hdlr", b"\0\0\0\0vide", bytes(12), b"pictures\0")
    source = _box(b"dinf", _full(b"dref", struct.pack(">I", 1), _full(b"url ", flags=1)))
    header = _full(b"vmhd", bytes(8), flags=1)
    inside = _box(b"minf", header, source, _table(stream, samples, place))
    return _box(
        b"moov",
        _grown(movie, _MATRIX, bytes(24), struct.pack(">I", 2)),
        _box(b"trak", _grown(track, _MATRIX, size), _box(b"mdia", media, handler, inside)),
    )


def _table(stream: Stream, samples: Sequence[bytes], place: int) -> bytes:
    sizes = struct.pack(f">II{len(samples)}I", 0, len(samples), *map(len, samples))
    return _box(
        b"stbl",
        _full(b"stsd", struct.pack(">I", 1), _description(stream)),
        _full(b"stts", struct.pack(">3I", 1, len(samples), 1)),
        _full(b"stss", struct.pack(">2I", 1, 1)),
        _full(b"stsc", struct.pack(">4I", 1, 1, len(samples), 1)),
        _full(b"stsz", sizes),
        _full(b"stco", struct.pack(">2I", 1, place)),
    )


def _description(stream: Stream) -> bytes:
    sets = b"".join(struct.pack(">BH", 1, len(one)) + one for one in (stream.sps, stream.pps))
    # The count of the first kind of sets has its upper bits set.
    configuration = _box(b"avcC", b"\x01", stream.sps[1:4], b"\xff\xe1", sets[1:])
    looks = struct.pack(">6xH16xHH", 1, stream.width, stream.height)
    return _box(b"avc1", looks, struct.pack(">II4xH32xHh", 0x480000, 0x480000, 1, 0x18, -1), configuration)


def _box(kind: bytes, *parts: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, parts)), kind) + b"".join(parts)


def _full(kind: bytes, *parts: bytes, flags: int = 0) -> bytes:
    """A box with a version, which is 0, and flags."""
    return _box(kind, struct.pack(">I", flags), *parts)


def _grown(box: bytes, *parts: bytes) -> bytes:
    return _box(box[4:8], box[8:], *parts)
