"""The order in which people count files: ``2.png`` before ``10.png``."""

from __future__ import annotations

import re

_NUMBER = re.compile("([0-9]+)")

NaturalKey = tuple[tuple[tuple[str | int, ...], ...], str]


def natural_key(path: str) -> NaturalKey:
    """Return what sorts paths by their folders, numbers by their value, and without regard to case."""
    return tuple(_counted(part) for part in path.casefold().split("/")), path


def _counted(part: str) -> tuple[str | int, ...]:
    # Every second piece is a number, so that words are compared with words and numbers with numbers.
    pieces = _NUMBER.split(part)
    return tuple(int(piece) if place % 2 else piece for place, piece in enumerate(pieces))
