"""Text on a picture, wrapped and cut to its place, in fonts that have its characters."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import TYPE_CHECKING

from batchgen.report.fonts import font_for, own_font

if TYPE_CHECKING:
    from PIL.Image import Image

    from batchgen.report.fonts import Font

_SIZE = 15
_INK = (40, 40, 38)
# What can't be drawn is left out, visibly.
_GAP = "…"


class Lettering:
    """Writes on one picture. ``undrawn`` are the characters it was to write, and that no font here has."""

    def __init__(self, image: Image) -> None:
        from PIL import ImageDraw

        self._draw = ImageDraw.Draw(image)
        self.undrawn: set[str] = set()

    def write(self, text: str, corner: tuple[int, int], *, width: int, lines: int, size: int = _SIZE) -> None:
        """Writes as much of ``text`` as stands in so many ``lines`` of ``width`` pixels, from ``corner`` down."""
        left, top = corner
        for line in self._wrapped(" ".join(text.split()), width, lines, size):
            self.undrawn.update(_undrawn(line, size))
            for part, font in _runs(line, size):
                # On one line, whatever room each font leaves above its letters.
                self._draw.text((left, top + size), part, fill=_INK, font=font, anchor="ls")
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
            found.append(text if fits >= len(text) else text[: _fitting(text, width, size, _GAP)].rstrip() + _GAP)
            break
        return found


def _fitting(text: str, width: int, size: int, ending: str = "") -> int:
    """How many characters of ``text``, and ``ending``, stand in ``width`` pixels; one at least."""
    # Letters alone are about as wide as they are together, which takes longer to find out.
    taken, count = 0.0, 0
    while count < len(text) and taken <= width:
        taken += _advance(text[count], size)
        count += 1
    while count > 1 and _length(text[:count] + ending, size) > width:
        count -= 1
    return count


@cache
def _advance(character: str, size: int) -> float:
    return _length(character, size)


def _length(text: str, size: int) -> int:
    return sum(round(font.getlength(part)) for part, font in _runs(text, size))


def _runs(text: str, size: int) -> list[tuple[str, Font]]:
    """``text`` in parts, each with a font that has its characters."""
    runs: list[tuple[str, Font]] = []
    for character in text:
        before, font = runs[-1] if runs else ("", own_font(size))
        if _joins(character):
            shown = "" if before.endswith(_GAP) and not character.isspace() else character
        else:
            shown, font = _drawable(character, size)
        if runs and runs[-1][1] is font:
            runs[-1] = (before if shown == _GAP == before[-1:] else before + shown, font)
        else:
            runs.append((shown, font))
    return runs


def _undrawn(line: str, size: int) -> set[str]:
    return {one for one in line if one != _GAP and not _joins(one) and _drawable(one, size)[0] == _GAP}


def _joins(character: str) -> bool:
    """Whether it stands with what is before it: an accent, a sign without a shape of its own, or a space.

    With their spaces between them, words that are written from right to left stand so.
    """
    return character.isspace() or unicodedata.category(character) in {"Mn", "Mc", "Me", "Cf"}


@cache
def _drawable(character: str, size: int) -> tuple[str, Font]:
    font = font_for(character, size)
    return (_GAP, own_font(size)) if font is None else (character, font)
