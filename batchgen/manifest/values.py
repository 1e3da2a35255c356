"""The rules for a parameter's value on its own; what a model of the catalogue takes is checked later."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable

from batchgen.errors import nearest
from batchgen.manifest.picture_references import MOST_IMAGES, image_problem
from batchgen.wording import printable, shown

# A list is only ever a value of `image`.
Value = str | tuple[str, ...]

PARAMETERS = (
    *("prompt", "model", "quality", "size", "output_format", "response_format"),
    *("image", "mask", "seconds"),
)

# The service's documented limit for a prompt, in characters; until autumn 2026 it was half of that.
LONGEST_PROMPT = 20_000
LONGEST_SIDE = 16_384
_LEAST_SIDE = 32
LONGEST_VIDEO_S = 60
MOST_REPEATS = 10_000

ALLOWED = {
    "quality": ("auto", "low", "medium", "high"),
    "output_format": ("webp", "jpeg", "jpg", "png"),
    "response_format": ("url", "b64_json", "b64_ephemeral"),
}

_SIZE = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", re.ASCII)
# What people and other programs write between two sides.
_TIMES = re.compile(r"\s*(?:[x×✕✖⨯*хХ,:;/|_-]|\bby\b)\s*")  # noqa: RUF001 - a Cyrillic letter too
# Some models take parts of a second; one way to write each number, since the text is part of a request's key.
_SECONDS = re.compile(r"[1-9][0-9]?(\.[0-9]?[1-9])?", re.ASCII)
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
# Spaces without a width, joiners, marks of byte order and direction: nobody sees them in a cell.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff"))
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def check_value(name: str, value: Value) -> str | None:
    """Return what is wrong with a parameter's or variable's value and what is allowed, as a message; else ``None``."""
    problem = check_text(name, value)
    if problem or isinstance(value, tuple):
        return problem
    rule = _RULES.get(name)
    return rule(name, value) if rule else None


def check_text(name: str, value: Value) -> str | None:
    """Return why a value is no text that can be sent and written, whatever its name means; else ``None``."""
    if isinstance(value, tuple):
        return _list_problem(name, value)
    unwritable = _UNWRITABLE.search(value)
    if unwritable:
        where = f"character {unwritable.start() + 1}"
        return f"{printable(name)} holds {shown(unwritable[0])} at {where}, which can't be written to a file"
    return None


def normalised(name: str, value: Value) -> Value:
    """Return the value as it is sent: ``jpg`` is ``jpeg``, and a prompt has one form however it was saved."""
    if name == "prompt" and isinstance(value, str):
        return normal_prompt(value)
    return "jpeg" if name == "output_format" and value == "jpg" else value


def normal_prompt(text: str) -> str:
    r"""Return a prompt with line ends as ``\n``, letters in NFC, and no white space around it.

    Editors, git and spreadsheets change all three without a word; the same prompt must not be bought again.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.strip() if text.isascii() else unicodedata.normalize("NFC", text).strip()


def _list_problem(name: str, values: tuple[str, ...]) -> str | None:
    if name != "image":
        return f"{printable(name)} takes one text, not a list; values to try one after the other belong under 'matrix:'"
    if not 1 <= len(values) <= MOST_IMAGES:
        return f"image takes 1 to {MOST_IMAGES} inputs, found {len(values)}"
    return next((problem for one in values if (problem := check_value(name, one))), None)


def _size(name: str, value: str) -> str | None:
    if value == "auto" or _are_sides(value, least=1):
        return None
    rule = f"must be 'auto' or a text like 1024x1024 with sides from 1 to {LONGEST_SIDE}"
    meant = _size_meant(value)
    return f"{name} {rule}, found {shown(value)}" + (f"; did you mean {meant!r}?" if meant else "")


def _are_sides(value: str, *, least: int) -> bool:
    match = _SIZE.fullmatch(value)
    return match is not None and all(least <= int(side) <= LONGEST_SIDE for side in match.groups())


def _size_meant(value: str) -> str:
    """Return the size that people write as ``1024 X 1024``, ``1024*1024`` or ``1024x1024 px``; else an empty text."""
    plain = _TIMES.sub("x", unicodedata.normalize("NFKC", value).strip().lower().removesuffix("px"))
    sides = [side.strip().removesuffix("px").strip().lstrip("0") for side in plain.split("x")]
    meant = "x".join(sides)
    if plain == "auto":
        return plain
    # Two smaller numbers are a ratio, such as 16:9.
    return meant if _are_sides(meant, least=_LEAST_SIDE) else ""


def _choice(name: str, value: str) -> str | None:
    allowed = ALLOWED[name]
    if value in allowed:
        return None
    meant = nearest(value.strip().lower(), allowed)
    return f"{name} must be one of {', '.join(allowed)}, found {shown(value)}{'; ' if meant else ''}{meant}"


def _seconds(name: str, value: str) -> str | None:
    if value == "auto" or (_SECONDS.fullmatch(value) and float(value) <= LONGEST_VIDEO_S):
        return None
    return f"{name} must be 'auto' or a number such as 5 or 2.5 from 1 to {LONGEST_VIDEO_S}, found {shown(value)}"


def _repeat(name: str, value: str) -> str | None:
    if re.fullmatch("[1-9][0-9]{0,4}", value, re.ASCII) and int(value) <= MOST_REPEATS:
        return None
    return f"{name} must be a whole number from 1 to {MOST_REPEATS}, found {shown(value)}"


def _model(name: str, value: str) -> str | None:
    if not value.strip():
        return f"{name} is blank; a model such as openai/gpt-image-1 is required"
    if "*" in value:
        return f"{name} must be the name of one model, found the glob {shown(value)}; `batchgen models` lists names"
    if _CONTROL.search(value) or value != value.strip() or len(value) > 200:
        return f"{name} must be one line of at most 200 characters without spaces around it, found {shown(value)}"
    return None


def _prompt(name: str, value: str) -> str | None:
    if not value.strip() or not (value.isprintable() or value.translate(_INVISIBLE).strip()):
        return f"{name} is blank" + (f": it holds nothing but {shown(value)}" if value.strip() else "")
    if len(value) > LONGEST_PROMPT:
        return f"{name} has {len(value):,} characters; {LONGEST_PROMPT:,} at most"
    return None


def _image(name: str, value: str) -> str | None:
    problem = image_problem(value)
    return f"{name} {problem}" if problem else None


_RULES: dict[str, Callable[[str, str], str | None]] = {
    "prompt": _prompt,
    "model": _model,
    "size": _size,
    "seconds": _seconds,
    "repeat": _repeat,
    "image": _image,
    "mask": _image,
    **dict.fromkeys(ALLOWED, _choice),
}
