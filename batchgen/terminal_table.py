"""The one style of tables on a terminal, and names in them that are broken between their words alone."""

from __future__ import annotations

import re

from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from batchgen.wording import visible

# A line ends behind one of the first if it can, else behind one of the others: `black-forest-labs/` | `FLUX-1-schnell`.
_PART = re.compile(r"[^/\s]*[/\s]+|[^/\s]+")
_WORD = re.compile(r"[^/_:\s-]*[/_:\s-]+|[^/_:\s-]+")


def table(*columns: tuple[str, str]) -> Table:
    """Return an empty table with these titles, each ``left`` or ``right``; figures, on the right, are never wrapped."""
    made = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    for title, side in columns:
        right = side == "right"
        made.add_column(Text(visible(title)), justify="right" if right else "left", no_wrap=right, overflow="fold")
    return made


class NameCell:
    """A name in a cell: foreign text, made harmless, whose words stay whole while a terminal has room for each."""

    def __init__(self, text: str, style: str = "") -> None:
        self._text = visible(text)
        self._style = style

    def __rich_measure__(self, _console: Console, options: ConsoleOptions) -> Measurement:
        longest = max((cell_len(word.rstrip()) for word in _WORD.findall(self._text)), default=0)
        return Measurement(longest, max(longest, cell_len(self._text))).with_maximum(options.max_width)

    def __rich_console__(self, _console: Console, options: ConsoleOptions) -> RenderResult:
        yield Text("\n".join(broken(self._text, options.max_width)), style=self._style, overflow="fold")


def broken(text: str, width: int) -> list[str]:
    """Return ``text`` as lines of ``width`` cells, which end between words."""
    lines = [""]
    for part in _PART.findall(text):
        words = [part] if cell_len(part.rstrip()) <= width else _WORD.findall(part)
        for word in words:
            if lines[-1] and cell_len(lines[-1] + word.rstrip()) > width:
                lines.append("")
            lines[-1] += word
    return [line.rstrip() for line in lines]
