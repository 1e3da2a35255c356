"""How a value of the user's is quoted in a message: short, and with nothing in it that could move a terminal."""

from __future__ import annotations

LONGEST = 60


def shown(found: object) -> str:
    """The value in quotes, cut to 60 characters, with control, bidirectional and surrogate characters escaped."""
    if found is None:
        return "nothing"
    if isinstance(found, dict):
        return "a mapping"
    if isinstance(found, list | tuple):
        return "a list"
    text = str(found)
    return repr(text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…")


def printable(text: str) -> str:
    """The text as it is, or escaped where it holds something that does not print."""
    return text if text.isprintable() else repr(text)[1:-1]
