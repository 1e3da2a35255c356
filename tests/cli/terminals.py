"""A program at a pseudo terminal, and what stood on its screen."""

import fcntl
import os
import pty
import re
import struct
import termios
import time

from tests.program import PROGRAM

_TOKENS = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|.", re.DOTALL)


def at_a_terminal(folder, *words, columns=80, rows=30, timeout_s=60, **environment):
    """Run `batchgen WORDS` at a terminal of that size; return its exit code and its output."""
    process, handle = pty.fork()
    if process == 0:  # pragma: no cover - the child is another program
        os.chdir(folder)
        os.environ.update({"TERM": "xterm", **environment})
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)
        os.execv(PROGRAM, ["batchgen", *map(str, words)])
    fcntl.ioctl(handle, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    parts, began = [], time.monotonic()
    try:
        while time.monotonic() - began < timeout_s:
            try:
                part = os.read(handle, 65536)
            except OSError:
                break
            if not part:
                break
            parts.append(part)
    finally:
        os.close(handle)
    _, status = os.waitpid(process, 0)
    return os.waitstatus_to_exitcode(status), b"".join(parts).decode()


def screen(output):
    """Return the lines that a terminal shows after ``output``; it knows what tqdm and rich write."""
    cells, row, column = {}, 0, 0
    for token in _TOKENS.findall(output):
        match token:
            case "\r":
                column = 0
            case "\n":
                row += 1
            case "\x1b[A":
                row = max(0, row - 1)
            case _ if token.startswith("\x1b"):
                pass
            case _:
                cells[row, column] = token
                column += 1
    last = max((row for row, _ in cells), default=0)
    widths = {row: max(column for r, column in cells if r == row) + 1 for row in {row for row, _ in cells}}
    return [
        "".join(cells.get((row, column), " ") for column in range(widths.get(row, 0))).rstrip()
        for row in range(last + 1)
    ]


def frames(output):
    """Return the screens that were shown each time the cursor had come back to where drawing begins."""
    found = []
    for end in (match.end() for match in re.finditer(r"(?:\x1b\[A)+(?!\x1b\[A)", output)):
        shown = screen(output[:end])
        if not found or shown != found[-1]:
            found.append(shown)
    return found
