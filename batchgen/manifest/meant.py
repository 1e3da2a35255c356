"""The kinds of mistake that a manifest may mean: ``meant: [braces, empty-values]``, or ``--meant braces``."""

from __future__ import annotations

import enum


class Meant(enum.StrEnum):
    """A kind of mistake, by the word that allows it."""

    BRACES = "braces"
    COMMENTS = "comments"
    EMPTY_VALUES = "empty-values"
    HEADER_ROWS = "header-rows"
    LOST_LETTERS = "lost-letters"
    PROMPTS = "prompts"
    QUOTES = "quotes"


def unless(kind: Meant, advice: str) -> str:
    """Return ``advice`` with the word by which a manifest says that it means what looks like a mistake."""
    return f"{advice}; if it is meant: `meant: [{kind}]`, or --meant {kind}"
