"""Small pieces of HTML that a notebook shows of a value: every text is foreign, so it is escaped and made harmless."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from batchgen.wording import visible

# Longer texts would make a table wider than a notebook.
_LONGEST = 80


def view(title: str, *parts: str) -> str:
    """Return a block with a bold ``title`` above ``parts``, which are HTML."""
    return f"<div><p><strong>{escape(visible(title))}</strong></p>{''.join(parts)}</div>"


def paragraph(text: str) -> str:
    """Return ``text`` as a paragraph."""
    return f"<p>{escape(visible(text))}</p>"


def table(titles: Sequence[str], rows: Iterable[Sequence[str]], *, words: int = 1) -> str:
    """Return a table whose first ``words`` columns are texts; those behind them are figures."""
    head = "".join(_cell("th", title, is_word=place < words) for place, title in enumerate(titles))
    body = "".join(
        f"<tr>{''.join(_cell('td', text, is_word=place < words) for place, text in enumerate(row))}</tr>"
        for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(tag: str, text: str, *, is_word: bool) -> str:
    shown = escape(visible(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"))
    return f'<{tag} style="text-align: {"left" if is_word else "right"}">{shown}</{tag}>'
