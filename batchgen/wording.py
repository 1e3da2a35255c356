"""Foreign text made harmless for people to read: nothing in it moves the cursor, hides or turns other text around."""

from __future__ import annotations

import re

# C0 without tab and line ends, DEL, C1, and the characters that reorder or hide text (Unicode TR 36, TR 9).
_UNSEEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_SPACE = re.compile("[\t\r\n]+")


def visible(text: str) -> str:
    """``text`` in one line, with control and direction characters spelled out by their number in hexadecimal."""
    return _UNSEEN.sub(_spelled, _SPACE.sub(" ", text))


def _spelled(match: re.Match[str]) -> str:
    number = ord(match.group())
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"
