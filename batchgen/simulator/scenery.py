"""A small landscape out of nothing but a seed: sky, sun and hills in colours that go together.

It is painted with palette numbers, one byte a pixel, and coloured at the end: that costs a third of painting in RGB.
"""

import colorsys
import functools
import math

from PIL import Image, ImageDraw

from batchgen.simulator.chance import chance

Colour = tuple[int, int, int]

_HILLS = 4
_STEPS = 48
_SKY_SHADES = 128
_SUN = _SKY_SHADES
_FIRST_HILL = _SUN + 1


def landscape(width: int, height: int, seed: str) -> Image.Image:
    """Return an RGB picture of exactly that size, the same for the same seed."""
    picture = _sky_ramp().resize((width, height), Image.Resampling.NEAREST)
    picture.putpalette(_palette(chance(seed, "hue")))
    draw = ImageDraw.Draw(picture)
    draw.ellipse(_sun(width, height, seed), fill=_SUN)
    for layer in range(_HILLS):
        draw.polygon(_hill(width, height, layer, seed), fill=_FIRST_HILL + layer)
    return picture.convert("RGB")


def code_colour(code: str, place: int) -> Colour:
    """Return one of the colours that stand for a code, the same for the same code."""
    return _colour(chance(code, "code", place), 0.75, 0.95)


def _palette(hue: float) -> bytes:
    """Return the colours of the sky from top to horizon, of the sun, and of the hills from far to near."""
    top, horizon = _colour(hue, 0.55, 0.56), _colour(hue + 0.10, 0.32, 0.97)
    shades = [_between(top, horizon, shade / (_SKY_SHADES - 1)) for shade in range(_SKY_SHADES)]
    sun = _colour(hue + 0.13, 0.16, 1.0)
    depths = [layer / (_HILLS - 1) for layer in range(_HILLS)]
    hills = [_colour(hue - 0.07 * depth, 0.42 + 0.2 * depth, 0.78 - 0.5 * depth) for depth in depths]
    return bytes(part for colour in (*shades, sun, *hills) for part in colour)


def _colour(hue: float, saturation: float, value: float) -> Colour:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1.0, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _between(first: Colour, second: Colour, share: float) -> Colour:
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(first, second, strict=True))
    return red, green, blue


@functools.cache
def _sky_ramp() -> Image.Image:
    return Image.frombytes("P", (1, _SKY_SHADES), bytes(range(_SKY_SHADES)))


def _sun(width: int, height: int, seed: str) -> tuple[float, float, float, float]:
    radius = min(width, height) * (0.09 + 0.08 * chance(seed, "sun"))
    across = width * (0.2 + 0.6 * chance(seed, "across"))
    down = height * (0.46 + 0.12 * chance(seed, "down"))
    return across - radius, down - radius, across + radius, down + radius


def _hill(width: int, height: int, layer: int, seed: str) -> list[tuple[float, float]]:
    base = height * (0.60 + 0.11 * layer)
    swing = height * (0.035 + 0.035 * chance(seed, layer, "swing"))
    waves = math.tau * (0.8 + 1.6 * chance(seed, layer, "waves"))
    start = math.tau * chance(seed, layer, "start")
    ridge = []
    for step in range(_STEPS + 1):
        across = step / _STEPS
        wave = math.sin(start + waves * across) + 0.4 * math.sin(2.7 * start + 2.3 * waves * across)
        ridge.append((width * across, base + swing * wave))
    return [(0, height), *ridge, (width, height)]
