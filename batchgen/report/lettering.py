"""Text on the pages of a PDF: cut to its place, in fonts that have its characters."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fpdf import FPDF
    from fpdf.fonts import TTFFont

    from batchgen.report.fonts import Face

SIZE = 7
# What a PDF can show without a font of its own in it.
_CORE_FONT = "helvetica"
_CORE_ENCODING = "windows-1252"
_LINE_MM_PER_POINT = 0.43
# Single signs of some scripts are ligatures wider than a column, and nothing can be wrapped inside one.
_WIDEST_EM = 3
_VARIATIONS = range(0xFE00, 0xFE10)
# What opens in text from left to right closes in text from right to left.
_MIRRORED = str.maketrans("()[]{}<>«»", ")(][}{><»«")


def line_height(size: int = SIZE) -> float:
    """Return how many millimetres a line of so many points takes."""
    return size * _LINE_MM_PER_POINT


class Lettering:
    """Writes on the pages of ``pdf`` what consists of ``characters``.

    ``undrawn`` are those of them that no font has; ``mark`` stands in their place.
    """

    def __init__(self, pdf: FPDF, faces: Iterable[Face], characters: Collection[str]) -> None:
        self._pdf = pdf
        pdf.alias_nb_pages("")  # a prompt may well say {nb}, and means no count of pages
        pdf.core_fonts_encoding = _CORE_ENCODING
        families = _added(pdf, faces)
        self._points = {point for font in self._fonts() for point in font.cmap}
        self._family = families[0] if families else _CORE_FONT
        pdf.set_fallback_fonts(families[1:])
        pdf.set_font(self._family, size=SIZE)
        self.mark = "\ufffd" if self._has("\ufffd") else "?"
        lacking = [one for one in characters if not self._has(one)]
        self._instead = {ord(one): "" if _is_unseen(one) else self.mark for one in lacking}
        self.undrawn = frozenset(one for one in lacking if not _is_unseen(one))

    def drawable(self, text: str) -> str:
        """Return ``text`` in one line, with a mark in place of what no font has."""
        return " ".join(text.split()).translate(self._instead)

    def write(self, text: str, corner: tuple[float, float], *, width: float, lines: int, size: int = SIZE) -> None:
        """Write as much of ``text`` as stands in so many ``lines`` of ``width``, from ``corner`` down."""
        self._pdf.set_font(self._family, size=size)
        left, top = corner
        for number, line in enumerate(self._wrapped(self.drawable(text), width, lines)):
            self._pdf.set_xy(left, top + number * line_height(size))
            self._pdf.cell(width, line_height(size), _as_seen(line))

    def close(self) -> None:
        """Close the fonts' files, once the PDF is written."""
        for font in self._fonts():
            font.close()

    def _fonts(self) -> Iterator[TTFFont]:
        from fpdf.fonts import TTFFont

        return (font for font in self._pdf.fonts.values() if isinstance(font, TTFFont))

    def _wrapped(self, text: str, width: float, lines: int) -> list[str]:
        if not text:
            return []
        found = self._pdf.multi_cell(width, text=text, dry_run=True, output="LINES")
        assert isinstance(found, list)
        if self._family == _CORE_FONT:
            # They come back as the bytes that stand in the file, each as a character.
            found = [line.encode("latin-1").decode(_CORE_ENCODING) for line in found]
        if len(found) <= lines:
            return found
        last = found[lines - 1]
        while last and self._pdf.get_string_width(last + "…") > width:
            last = last[:-1]
        return [*found[: lines - 1], last.rstrip() + "…"]

    def _has(self, character: str) -> bool:
        if self._family == _CORE_FONT:
            return _is_in_core_font(character)
        return ord(character) in self._points and (
            self._pdf.get_string_width(character) <= _WIDEST_EM * self._pdf.font_size
        )


def _added(pdf: FPDF, faces: Iterable[Face]) -> list[str]:
    families = []
    for count, face in enumerate(faces):
        family = f"face{count}"
        try:
            pdf.add_font(family, fname=face.path, collection_font_number=face.number)
        except Exception:  # noqa: BLE001, S112 - fonts come in many sorts, and readers raise whatever they stumble over
            continue
        families.append(family)
    return families


def _is_in_core_font(character: str) -> bool:
    try:
        character.encode(_CORE_ENCODING)
    except UnicodeEncodeError:
        return False
    return True


def _is_unseen(character: str) -> bool:
    """Whether it only says how its neighbours are drawn: a joiner, or a variation."""
    return unicodedata.category(character) == "Cf" or ord(character) in _VARIATIONS


def _as_seen(line: str) -> str:
    """The line's characters from left to right, of which some scripts are read from right to left."""
    if not any(unicodedata.bidirectional(one) in {"R", "AL", "AN"} for one in line):
        return line
    from fpdf.bidi import BidiParagraph

    seen = BidiParagraph(text=line).get_reordered_characters()
    return "".join(one.character.translate(_MIRRORED if one.embedding_level % 2 else {}) for one in seen)
