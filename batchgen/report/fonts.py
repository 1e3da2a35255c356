"""Fonts that have what a text is made of: Pillow's own, those with known names, and what fontconfig knows of."""

from __future__ import annotations

import subprocess
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont, ImageFont

    Font = FreeTypeFont | ImageFont

# What holds many scripts that Pillow's own font lacks, by the names these files have on Linux and macOS.
_BROAD = (
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "NotoSansCJKsc-Regular.otf",
    "wqy-zenhei.ttc",
    "wqy-microhei.ttc",
    "Arial Unicode.ttf",
    "PingFang.ttc",
    "DroidSansFallbackFull.ttf",
)
_PATIENCE_S = 10

_EAST_ASIAN = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO", "IDEOGRAPHIC", "FULLWIDTH", "HALFWIDTH"})


class Family(NamedTuple):
    """A family of fonts, and the package of Debian and Ubuntu that installs it."""

    name: str
    package: str


_CJK = Family("Noto Sans CJK", "fonts-noto-cjk")
_SYMBOLS = Family("Symbola", "fonts-symbola")
_OTHERS = Family("Noto Sans", "fonts-noto-core")


def font_for(character: str, size: int) -> Font | None:
    """An installed font that has ``character``; ``None`` where none has."""
    own = own_font(size)
    if _has(own, character):
        return own
    fonts = (font for font in _installed(character, size) if _has(font, character))
    return next(fonts, None)


@cache
def own_font(size: int) -> Font:
    """The font that comes with Pillow."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def advice(undrawn: Iterable[str]) -> str:
    """One line on characters that no installed font has: which, and what to install; empty where there are none."""
    missing = sorted(set(undrawn))
    if not missing:
        return ""
    families = dict.fromkeys(map(_family, missing))
    install = " and ".join(f"{one.name} (on Debian: {one.package})" for one in families)
    shown = " ".join(f"U+{ord(one):04X}" for one in missing[:5]) + (" …" if len(missing) > 5 else "")
    count = f"{len(missing):,} {'character' if len(missing) == 1 else 'characters'}"
    which = f"no installed font has {'it' if len(missing) == 1 else 'them'} ({shown})"
    return f"{count} could not be drawn, {which}: install {install}"


def _has(font: Font, character: str) -> bool:
    """Whether the font draws anything but its sign for what it lacks."""
    return bytes(font.getmask(character)) != bytes(font.getmask("\U0010fffe"))


def _installed(character: str, size: int) -> Iterator[Font]:
    for name in _BROAD:
        if (font := _opened(name, 0, size)) is not None:
            yield font
    path, index = _named_by_fontconfig(_script(character), ord(character))
    if path and (font := _opened(path, index, size)) is not None:
        yield font


@cache
def _opened(path: str, index: int, size: int) -> FreeTypeFont | None:
    from PIL import ImageFont

    try:
        return ImageFont.truetype(path, size, index)
    except OSError:
        return None  # it isn't here, or a font of pictures in one size alone


_asked: dict[str, tuple[str, int]] = {}


def _named_by_fontconfig(script: str, point: int) -> tuple[str, int]:
    """The file of the font that fontconfig would take for a script, asked once for each of them."""
    if script not in _asked:
        _asked[script] = _ask_fontconfig(point)
    return _asked[script]


def _ask_fontconfig(point: int) -> tuple[str, int]:
    command = ["fc-match", "--format", "%{index} %{file}", f"sans:charset={point:x}"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=True)  # noqa: S603 - our words
        index, _, path = done.stdout.decode().partition(" ")
        # The upper half of the number is a named style of a variable font.
        return path, int(index) & 0xFFFF
    except (OSError, ValueError, subprocess.SubprocessError):
        return "", 0  # fontconfig is not here


def _script(character: str) -> str:
    """What characters of one font have in common: the first word of their names, or that they are symbols."""
    if unicodedata.category(character).startswith("S"):
        return "symbols"
    return unicodedata.name(character, "unknown").split()[0].split("-")[0]


def _family(character: str) -> Family:
    script = _script(character)
    if script == "symbols":
        return _SYMBOLS
    return _CJK if script in _EAST_ASIAN else _OTHERS
