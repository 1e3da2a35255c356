"""Text on a picture, wrapped and cut to its place, in the font that comes with Pillow."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont, ImageFont

# What holds the scripts that Pillow's own font lacks, by the names these fonts have on Linux and macOS.
_BROAD = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "DroidSansFallbackFull.ttf",
    "DejaVuSans.ttf",
)
_SIZE = 15
_INK = (40, 40, 38)
# What can't be drawn is left out, visibly.
_GAP = "…"


class Lettering:
    """Writes on one picture."""

    def __init__(self, image: Image) -> None:
        from PIL import ImageDraw

        self._draw = ImageDraw.Draw(image)

    def write(self, text: str, corner: tuple[int, int], *, width: int, lines: int, size: int = _SIZE) -> None:
        """Writes as much of ``text`` as stands in so many ``lines`` of ``width`` pixels, from ``corner`` down."""
        left, top = corner
        for line in self._wrapped(" ".join(text.split()), width, lines, size):
            for part, font in _runs(line, size):
                self._draw.text((left, top), part, fill=_INK, font=font)
                left += round(font.getlength(part))
            left, top = corner[0], top + size + size // 3

    def _wrapped(self, text: str, width: int, lines: int, size: int) -> list[str]:
        found: list[str] = []
        while text and len(found) < lines:
            fits = _fitting(text, width, size)
            if fits < len(text) and len(found) < lines - 1:
                # At a space where there is one not too far back: scripts without spaces break anywhere.
                space = text.rfind(" ", fits // 2, fits + 1)
                fits = space if space > 0 else fits
                found.append(text[:fits].rstrip())
                text = text[fits:].lstrip()
                continue
            found.append(text if fits >= len(text) else text[: max(0, fits - 1)].rstrip() + "…")
            break
        return found


def _fitting(text: str, width: int, size: int) -> int:
    """How many characters of ``text`` stand in ``width`` pixels; one at least."""
    taken = 0.0
    for count, character in enumerate(text):
        taken += _advance(character, size)
        if taken > width:
            return max(1, count)
    return len(text)


@cache
def _advance(character: str, size: int) -> float:
    return sum(float(font.getlength(part)) for part, font in _runs(character, size))


def _runs(text: str, size: int) -> list[tuple[str, FreeTypeFont | ImageFont]]:
    """``text`` in parts, each with a font that has its characters."""
    runs: list[tuple[str, FreeTypeFont | ImageFont]] = []
    for character in text:
        shown, font = _drawable(character, size)
        if runs and runs[-1][1] is font:
            before = runs[-1][0]
            runs[-1] = (before if shown == _GAP == before[-1] else before + shown, font)
        else:
            runs.append((shown, font))
    return runs


@cache
def _drawable(character: str, size: int) -> tuple[str, FreeTypeFont | ImageFont]:
    own, broad = _own(size), _broad(size)
    if character.isspace() or _has(own, character):
        return character, own
    return (character, broad) if broad and _has(broad, character) else (_GAP, own)


def _has(font: FreeTypeFont | ImageFont, character: str) -> bool:
    """Whether the font draws anything but its sign for what it lacks."""
    return bytes(font.getmask(character)) != bytes(font.getmask("\U0010fffe"))


@cache
def _own(size: int) -> FreeTypeFont | ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(size)


@cache
def _broad(size: int) -> FreeTypeFont | None:
    from PIL import ImageFont

    for name in _BROAD:
        try:
            return ImageFont.truetype(name, size)
        except OSError:
            continue
    return None
