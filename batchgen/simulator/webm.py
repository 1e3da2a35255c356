"""A WebM file around a film: a lossy WebP picture is a VP8 key frame, so a film of such frames needs no codec."""

from __future__ import annotations

import struct
from collections.abc import Sequence

_CLUSTER_MS = 5_000
_KEY_FRAME = 0x80


def webm(frames: Sequence[bytes], *, width: int, height: int, per_second: float) -> bytes:
    """The whole file; ``frames`` are lossy WebP pictures of that size."""
    length_ms = len(frames) * 1000 / per_second
    header = _master(
        0x1A45DFA3,
        *(_number(name, value) for name, value in ((0x4286, 1), (0x42F7, 1), (0x42F2, 4), (0x42F3, 8))),
        _element(0x4282, b"webm"),
        *(_number(name, value) for name, value in ((0x4287, 2), (0x4285, 2))),
    )
    info = _master(
        0x1549A966,
        _number(0x2AD7B1, 1_000_000),
        _element(0x4489, struct.pack(">d", length_ms)),
        _element(0x4D80, b"batchgen"),
        _element(0x5741, b"batchgen"),
    )
    picture = _master(0xE0, _number(0xB0, width), _number(0xBA, height))
    track = _master(0xAE, _number(0xD7, 1), _number(0x73C5, 1), _number(0x83, 1), _element(0x86, b"V_VP8"), picture)
    moments = [round(number * 1000 / per_second) for number in range(len(frames))]
    clusters = [
        _cluster(
            start,
            [
                (moment, frame)
                for moment, frame in zip(moments, frames, strict=True)
                if moment // _CLUSTER_MS * _CLUSTER_MS == start
            ],
        )
        for start in sorted({moment // _CLUSTER_MS * _CLUSTER_MS for moment in moments})
    ]
    return header + _master(0x18538067, info, _master(0x1654AE6B, track), *clusters)


def _cluster(start_ms: int, frames: Sequence[tuple[int, bytes]]) -> bytes:
    blocks = (
        _element(0xA3, struct.pack(">BhB", 0x81, moment - start_ms, _KEY_FRAME) + _key_frame(frame))
        for moment, frame in frames
    )
    return _master(0x1F43B675, _number(0xE7, start_ms), *blocks)


def _key_frame(picture: bytes) -> bytes:
    """The VP8 data of a WebP file in its simple form."""
    kind, size = struct.unpack_from("<4sI", picture, 12)
    assert kind == b"VP8 ", "the picture is lossy and has no transparency"
    return picture[20 : 20 + size]


def _master(name: int, *parts: bytes) -> bytes:
    return _element(name, b"".join(parts))


def _number(name: int, value: int) -> bytes:
    return _element(name, value.to_bytes(max(1, -(-value.bit_length() // 8)), "big"))


def _element(name: int, body: bytes) -> bytes:
    # Sizes of eight bytes throughout: a few bytes more, and none to work out.
    return name.to_bytes(-(-name.bit_length() // 8), "big") + struct.pack(">Q", len(body) | 1 << 56) + body
