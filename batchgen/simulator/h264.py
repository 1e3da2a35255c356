"""H.264 without compressing anything: a first frame of raw samples, and after it only what changed.

Every player decodes it (constrained baseline: I_PCM macroblocks and skipped ones, ITU-T H.264 7.3), and nothing has to
be installed to write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from PIL import Image

SIDE = 16  # of a macroblock, in pixels

# What a nine-bit `mb_type` of 25 (I_PCM in an I slice) and seven bits of alignment give.
_RAW_IN_I = b"\x0d\x00"
_RAW_IN_P = 30
_FRAME_NUMBERS = 256
# The lowest level for a picture of so many macroblocks (table A-1).
_LEVELS = ((1620, 30), (3600, 31), (8192, 40), (22_080, 50), (36_864, 51), (139_264, 60))
# Studio range: no sample is near zero, so that raw samples never look like the start of the next unit.
_LUMA = [16 + round(value * 219 / 255) for value in range(256)]
_CHROMA = [128 + round((value - 128) * 224 / 255) for value in range(256)]


@dataclass(frozen=True, slots=True)
class Stream:
    """What a container needs: both parameter sets and the frames, each as one unit without its length."""

    width: int
    height: int
    sps: bytes
    pps: bytes
    frames: tuple[bytes, ...]


def encoded(picture: Image.Image, changes: Iterable[Sequence[int]], colour: tuple[int, int, int]) -> Stream:
    """A film that begins with ``picture``; each of ``changes`` is one more frame, which paints these macroblocks.

    They are numbered from the top left, line by line. Odd sides lose a pixel: chroma is stored at half the size.
    """
    width, height = picture.width // 2 * 2, picture.height // 2 * 2
    across, down = -(-width // SIDE), -(-height // SIDE)
    paint = _block(Image.new("RGB", (SIDE, SIDE), colour))
    frames = [_first_frame(_blocks(picture, across, down))]
    frames += [
        _next_frame(number % _FRAME_NUMBERS, changed, paint, across * down) for number, changed in enumerate(changes, 1)
    ]
    return Stream(width, height, _sps(width, height, across, down), _PPS, tuple(frames))


class _Bits:
    """A row of bits that begins with a unit's header byte."""

    def __init__(self, header: int) -> None:
        self._done = bytearray([header])
        self._bits = ""

    def fixed(self, value: int, width: int) -> None:
        self._bits += f"{value:0{width}b}"

    def ue(self, *values: int) -> None:
        """Exponential-Golomb codes (9.1)."""
        for value in values:
            code = f"{value + 1:b}"
            self._bits += "0" * (len(code) - 1) + code

    def raw(self, content: bytes) -> None:
        """Whole bytes, after zeros up to the next byte."""
        self._flush()
        self._done += content

    def unit(self) -> bytes:
        """All of it, closed, with the bytes that keep it from looking like the start of another unit (7.4.1)."""
        self._bits += "1"
        self._flush()
        return re.sub(rb"\x00\x00(?=[\x00-\x03])", b"\x00\x00\x03", bytes(self._done))

    def _flush(self) -> None:
        bits = self._bits + "0" * (-len(self._bits) % 8)
        self._done += bytes(int(bits[place : place + 8], 2) for place in range(0, len(bits), 8))
        self._bits = ""


def _sps(width: int, height: int, across: int, down: int) -> bytes:
    level = next((level for blocks, level in _LEVELS if across * down <= blocks), _LEVELS[-1][1])
    bits = _Bits(0x67)
    bits.raw(bytes([66, 0xC0, level]))
    # Set 0, frame numbers of eight bits, output in the order of decoding, one reference.
    bits.ue(0, 4, 2, 1)
    bits.fixed(0, 1)
    bits.ue(across - 1, down - 1)
    # Whole frames only, 8x8 inference, and what of the macroblocks is no picture.
    bits.fixed(0b111, 3)
    bits.ue(0, (across * SIDE - width) // 2, 0, (down * SIDE - height) // 2)
    bits.fixed(0, 1)
    return bits.unit()


def _pps() -> bytes:
    bits = _Bits(0x68)
    bits.ue(0, 0)
    bits.fixed(0, 2)
    bits.ue(0, 0, 0)
    bits.fixed(0, 3)
    bits.ue(0, 0, 0)
    # Slices say themselves that no edge is smoothed.
    bits.fixed(0b100, 3)
    return bits.unit()


_PPS = _pps()


def _first_frame(blocks: Sequence[bytes]) -> bytes:
    bits = _Bits(0x65)
    bits.ue(0, 7, 0)
    bits.fixed(0, 8)
    bits.ue(0)
    bits.fixed(0, 2)
    bits.ue(0, 1, 25)
    bits.raw(_RAW_IN_I.join(blocks))
    return bits.unit()


def _next_frame(number: int, changed: Sequence[int], paint: bytes, blocks: int) -> bytes:
    bits = _Bits(0x41)
    bits.ue(0, 5, 0)
    bits.fixed(number, 8)
    bits.fixed(0, 3)
    bits.ue(0, 1)
    done = 0
    for block in changed:
        bits.ue(block - done, _RAW_IN_P)
        bits.raw(paint)
        done = block + 1
    if done < blocks:
        bits.ue(blocks - done)
    return bits.unit()


def _blocks(picture: Image.Image, across: int, down: int) -> list[bytes]:
    whole = Image.new("RGB", (across * SIDE, down * SIDE))
    whole.paste(picture)
    luma, blue, red = _planes(whole)
    half = SIDE // 2
    return [
        luma.crop((left, top, left + SIDE, top + SIDE)).tobytes()
        + blue.crop((left // 2, top // 2, left // 2 + half, top // 2 + half)).tobytes()
        + red.crop((left // 2, top // 2, left // 2 + half, top // 2 + half)).tobytes()
        for top in range(0, down * SIDE, SIDE)
        for left in range(0, across * SIDE, SIDE)
    ]


def _block(picture: Image.Image) -> bytes:
    return b"".join(plane.tobytes() for plane in _planes(picture))


def _planes(picture: Image.Image) -> tuple[Image.Image, Image.Image, Image.Image]:
    luma, blue, red = picture.convert("YCbCr").split()
    small = (picture.width // 2, picture.height // 2)
    return luma.point(_LUMA), blue.resize(small).point(_CHROMA), red.resize(small).point(_CHROMA)
