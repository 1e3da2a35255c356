"""A film for a purchase: the picture that would have been drawn, and a bar below it that grows with time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import pairwise

from PIL import Image

from batchgen.simulator import h264
from batchgen.simulator.drawing import Drawing, painted
from batchgen.simulator.h264 import SIDE
from batchgen.simulator.mp4 import mp4
from batchgen.simulator.webm import webm

_PER_SECOND = 10
# Every frame of a WebM is a whole picture: few, so that neither file nor CPU grows with them.
_MOST_KEY_FRAMES = 24
_BAR = (255, 120, 0)


def film(drawing: Drawing, inputs: Sequence[bytes] = ()) -> bytes:
    """The whole file, of ``drawing.seconds`` and in its format, with the inputs shown as on a picture."""
    picture = painted(drawing, inputs)
    return _webm(picture, drawing.seconds) if drawing.picture_format == "webm" else _mp4(picture, drawing.seconds)


def _mp4(picture: Image.Image, seconds: float) -> bytes:
    across, down = -(-(picture.width // 2 * 2) // SIDE), -(-(picture.height // 2 * 2) // SIDE)
    frames = max(2, round(seconds * _PER_SECOND))
    reached = [across * frame // (frames - 1) for frame in range(frames)]
    line = (down - 1) * across
    changes = [range(line + before, line + after) for before, after in pairwise(reached)]
    return mp4(h264.encoded(picture, changes, _BAR), per_second=_PER_SECOND)


def _webm(picture: Image.Image, seconds: float) -> bytes:
    count = max(2, min(_MOST_KEY_FRAMES, round(seconds * 2)))
    frames = []
    for frame in range(count):
        picture.paste(_BAR, (0, picture.height - SIDE, picture.width * frame // (count - 1), picture.height))
        buffer = io.BytesIO()
        picture.save(buffer, "WEBP", quality=60, method=0)
        frames.append(buffer.getvalue())
    return webm(frames, width=picture.width, height=picture.height, per_second=count / seconds)
