"""Words for people, on stderr: harmless to a terminal and, on one, wrapped between words."""

from __future__ import annotations

import shutil
import sys
import textwrap

_NAME = "batchgen: "


def say(text: str) -> None:
    """Writes each line of ``text`` to stderr: on a terminal in pieces below each other, else whole."""
    from batchgen.wording import visible

    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    for line in text.splitlines():
        sys.stderr.write(f"{_wrapped(_NAME + visible(line), width)}\n")


def counted(number: int, thing: str) -> str:
    """``1 request``, ``12 requests``."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}"


def _wrapped(line: str, width: int | None) -> str:
    """The line in pieces of ``width`` characters; a path or a key is not torn apart."""
    if width is None or len(line) <= width:
        return line
    indent = " " * len(_NAME)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
