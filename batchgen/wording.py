"""Text shown to people: foreign text made harmless, values quoted, numbers with their nouns."""

from __future__ import annotations

import re
import unicodedata

LONGEST_QUOTE = 60

# C0 without tab and line ends, DEL, C1, the characters that reorder or hide text (Unicode TR 36, TR 9), and surrogates,
# which stand for the bytes of a file name that is no UTF-8 and can't be written to a stream.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff]"
)
# Unicode has no names for these.
_CONTROLS = {"\n": "line break", "\r": "carriage return", "\t": "tab", "\x85": "next line"}
_SPACE = re.compile("[\t\r\n]+")


def visible(text: str) -> str:
    """Return prose such as a prompt in one line, with control and direction characters as their hexadecimal numbers.

    What scripts and emoji need, such as joiners and spaces that do not break, stays as it is.
    """
    return _UNSEEN.sub(_spelled, _SPACE.sub(" ", text))


def named_blanks(text: str) -> str:
    """Return prose in one line with every character named that does not show, or shows as a plain space.

    Two texts that differ in one of them alone look the same otherwise: ``a⟨no-break space⟩fox``.
    """
    return text if text.isascii() and text.isprintable() else "".join(map(_named, text))


def printable(text: str) -> str:
    """Return a name, an address or a service's message with everything escaped that does not print."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def shown(value: object) -> str:
    """Return a value of the user's in quotes: printable, and cut to 60 characters."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = str(value)
    return repr(text if len(text) <= LONGEST_QUOTE else f"{text[: LONGEST_QUOTE - 1]}…")


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 request`` or ``12,000 requests``; ``plural`` is for nouns that take more than an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def _spelled(match: re.Match[str]) -> str:
    return _spelled_number(ord(match.group()))


def _spelled_number(number: int) -> str:
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def _escaped(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")


def _named(character: str) -> str:
    if character == " " or (character.isprintable() and not unicodedata.combining(character)):
        return character
    name = _CONTROLS.get(character) or unicodedata.name(character, "").lower()
    return f"⟨{name}⟩" if name else _spelled_number(ord(character))
