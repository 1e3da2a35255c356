"""A film for a purchase: a real clip of its length, told at what size it is shown and which purchase it is for."""

import struct
from importlib.resources import files

from batchgen.simulator.drawing import Drawing

_CLIPS = files("batchgen.simulator") / "clips"
# What every clip has for a comment, as long as the digest that takes its place.
_COMMENT = b"0" * 64
# From the name of a track's header, in its version 0, to the width and height in it (ISO/IEC 14496-12 8.3.2).
_TO_SIZE = 80
# The names of DisplayWidth and DisplayHeight, each with its length of two bytes (RFC 9559 5.1.4.1.28).
_WIDTH, _HEIGHT = b"\x54\xb0\x82", b"\x54\xba\x82"


def film(drawing: Drawing) -> bytes:
    """Return the whole file, of ``drawing.seconds`` and in its format: the same bytes for the same purchase only."""
    clip = (_CLIPS / f"{drawing.seconds:g}.{drawing.picture_format}").read_bytes()
    clip = _overwritten(clip, clip.index(_COMMENT), drawing.seed.encode())
    if drawing.picture_format == "mp4":
        size = struct.pack(">II", drawing.width << 16, drawing.height << 16)
        return _overwritten(clip, clip.index(b"tkhd") + _TO_SIZE, size)
    for name, side in ((_WIDTH, drawing.width), (_HEIGHT, drawing.height)):
        clip = _overwritten(clip, clip.index(name) + len(name), struct.pack(">H", side))
    return clip


def _overwritten(content: bytes, place: int, value: bytes) -> bytes:
    """Return the content with the value in it, as long as before: both containers state places and sizes."""
    return content[:place] + value + content[place + len(value) :]
