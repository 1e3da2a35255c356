"""Messages for people on stderr: harmless to a terminal, and wrapped between words if stderr is one."""

from __future__ import annotations

import shutil
import sys
import textwrap

from batchgen.wording import visible

_NAME = "batchgen: "


def say(text: str) -> None:
    """Write each line of ``text`` to stderr: wrapped on a terminal, else whole."""
    width = shutil.get_terminal_size().columns if sys.stderr.isatty() else None
    for line in text.splitlines():
        sys.stderr.write(f"{_wrapped(_NAME + visible(line), width)}\n")


def show_count(what: str, done: int, wanted: int) -> None:
    """Write ``thumbnails: 12 of 300`` to stderr, over the last such line, if stderr is a terminal."""
    # A million pictures are shown in steps of one percent.
    if sys.stderr.isatty() and (done == wanted or done % max(1, wanted // 100) == 0):
        sys.stderr.write(f"\r{what}: {done:,} of {wanted:,}" + ("\n" if done == wanted else ""))
        sys.stderr.flush()


def _wrapped(line: str, width: int | None) -> str:
    """Return the line wrapped at ``width`` characters; paths and keys stay whole, to be copied."""
    if width is None or len(line) <= width:
        return line
    indent = " " * len(_NAME)
    return textwrap.fill(line, width, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)


def size(number: int) -> str:
    """Return ``640 bytes``, ``12.5 kB``, ``3.1 MB`` or ``1.2 GB``."""
    if number < 1000:
        return f"{number} bytes"
    amount, unit = number / 1000, "kB"
    for larger in ("MB", "GB", "TB"):
        if amount < 999.95:
            break
        amount, unit = amount / 1000, larger
    return f"{amount:,.1f} {unit}"
