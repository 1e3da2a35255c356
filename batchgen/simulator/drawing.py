"""A picture for a purchase: a landscape with the prompt written on it, the same bytes for the same purchase."""

import functools
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image, ImageDraw, ImageFont

from batchgen.simulator.scenery import code_colour, landscape

PictureFormat = Literal["webp", "jpeg", "png"]
FilmFormat = Literal["mp4", "webm"]

# The fastest settings that still look good: the simulator takes its CPU from the program under test.
_ENCODING: dict[str, dict[str, Any]] = {
    "webp": {"quality": 60, "method": 0},
    "jpeg": {"quality": 82},
    "png": {"compress_level": 1},
}
_WHITE = (255, 255, 255)
_CODE_SQUARES = 4


@dataclass(frozen=True, slots=True)
class Drawing:
    """The description of a picture: ``seed`` distinguishes repeats, ``footer`` is the small line below.

    ``code`` becomes a row of colours beside the footer, which tells models apart and names none. A film is of some
    ``seconds``, and shows neither.
    """

    prompt: str
    footer: str
    width: int
    height: int
    picture_format: PictureFormat | FilmFormat
    seed: str
    seconds: float = 0.0
    code: str = ""

    @property
    def media_type(self) -> str:
        return f"{'video' if self.seconds else 'image'}/{self.picture_format}"


def draw(drawing: Drawing, inputs: Sequence[bytes] = ()) -> bytes:
    """Return the encoded picture; ``inputs`` are encoded pictures shown on it as cards."""
    picture = landscape(drawing.width, drawing.height, drawing.seed)
    _paste_cards(picture, inputs)
    _write(picture, drawing)
    buffer = io.BytesIO()
    picture.save(buffer, drawing.picture_format.upper(), **_ENCODING[drawing.picture_format])
    return buffer.getvalue()


def thumbnail(data: bytes, side: int = 512) -> bytes | None:
    """Return the picture as a PNG that fits a square of ``side`` pixels, or ``None`` if the bytes are no picture."""
    try:
        with Image.open(io.BytesIO(data)) as source:
            source.draft("RGB", (side, side))
            source.thumbnail((side, side))
            small = source.convert("RGB")
    except Exception:  # noqa: BLE001 - decoders raise almost anything on bytes that are no picture
        return None
    buffer = io.BytesIO()
    small.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def _paste_cards(picture: Image.Image, inputs: Sequence[bytes]) -> None:
    """Paste the inputs side by side across the lower half, each with a white frame."""
    if not inputs:
        return
    width, height = picture.size
    pitch = width / (len(inputs) + 0.2)
    side = max(1, round(min(pitch * 0.86, height * 0.42)))
    frame = max(1, side // 40)
    for index, data in enumerate(inputs):
        with Image.open(io.BytesIO(data)) as card:
            card.thumbnail((side, side))
            left = round(pitch * (index + 0.6) - card.width / 2)
            top = round(height * 0.68 - card.height / 2)
            picture.paste(_WHITE, (left - frame, top - frame, left + card.width + frame, top + card.height + frame))
            picture.paste(card, (left, top))


def _write(picture: Image.Image, drawing: Drawing) -> None:
    """Write the prompt across the sky and the footer along the bottom; a tiny picture has room for neither."""
    side = min(picture.size)
    if side < 96:
        return
    pen = ImageDraw.Draw(picture)
    margin = picture.width // 16
    size = max(10, min(round(side / 17), round(picture.width / 14)))
    font = _font(size)
    lines = _wrapped(
        drawing.prompt, font, picture.width - 2 * margin, most=max(1, int(picture.height * 0.36 / (size * 1.3)))
    )
    pen.multiline_text((margin, margin), "\n".join(lines), font=font, fill=_WHITE, spacing=size * 0.3)
    line = max(9, round(size * 0.45))
    bottom = picture.height - margin // 2
    left = margin + _write_code(pen, drawing.code, (margin, bottom - line), line)
    pen.text((left, bottom), drawing.footer, font=_font(line), fill=_WHITE, anchor="ls")


def _write_code(pen: ImageDraw.ImageDraw, code: str, corner: tuple[int, int], side: int) -> int:
    """Draw the code as squares, one colour for each byte of its digest, and return how wide they are."""
    if not code:
        return 0
    left, top = corner
    for place in range(_CODE_SQUARES):
        colour = code_colour(code, place)
        pen.rectangle((left + place * side, top, left + (place + 1) * side - 1, top + side - 1), fill=colour)
    return (_CODE_SQUARES + 1) * side


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int, *, most: int) -> list[str]:
    """Return the text in at most ``most`` lines that fit the width; what is left over becomes an ellipsis."""
    lines = [""]
    for word in text[:600].split():
        longer = f"{lines[-1]} {word}".strip()
        if not lines[-1] or font.getlength(longer) <= width:
            lines[-1] = longer
        elif len(lines) == most:
            lines[-1] += " …"
            break
        else:
            lines.append(word)
    return lines


@functools.cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    font = ImageFont.load_default(size)
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font
