"""The lines of a text file: which of them are comments, and what about the others is probably not meant."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from batchgen.errors import Problem
from batchgen.manifest.row_files import RowFile, open_text
from batchgen.wording import counted, shown

# What is odd shows at the beginning of a file; a longer one is read for its prompts alone.
_LOOKED_AT = 100_000
# Fewer lines than this, all of one form, may be so by chance.
_ALL_ALIKE = 3

# A list of colours is one of values, not of comments.
_COLOUR = re.compile("#([0-9a-f]{3,4}|[0-9a-f]{6}|[0-9a-f]{8})", re.IGNORECASE | re.ASCII)
_BULLET = re.compile(r"([-*•]|[0-9]{1,4}[.)])\s")
_UNFINISHED = re.compile(r"\w ?[,;]$|\w-$")
_GOES_ON = re.compile("(and|or|in|on|at|with|of|by|under|over|near|from|into|through|beside|behind|while)\\b")

_Line = tuple[int, str]


def is_comment(line: str) -> bool:
    """Return whether a line without the spaces around it is a comment: it begins with ``#`` or ``//``."""
    return line.startswith(("#", "//")) and not _COLOUR.fullmatch(line)


def odd_lines(file: RowFile, name: str) -> Iterator[Problem]:
    """Yield what is odd about the prompts of a text, each kind once. The file is known to be UTF-8."""
    yield from left_out_lines(file, name)
    lines = list(_numbered(file))
    prompts = [line for line in lines if line[1] and not is_comment(line[1])]
    if bare := [line for line in prompts if line[1].isascii() and not any(map(str.isalnum, line[1]))]:
        first, text = bare[0]
        yield Problem(f"{shown(text)} alone is a prompt here; each line is one", f"{name}:{first}", "remove it")
    if wrapped := _wrapped(lines):
        said = "reads as if it went on from the line before; each line is a prompt of its own"
        yield Problem(said, f"{name}:{wrapped[0]}", "write each prompt on one line, or use CSV with quotes, or JSONL")
    yield from _of_one_form(prompts, name)


def left_out_lines(file: RowFile, name: str) -> Iterator[Problem]:
    """Yield a problem that tells of the comments in a text, if there are any."""
    if comments := [line for line in _numbered(file) if is_comment(line[1])]:
        first, text = comments[0]
        lines = counted(len(comments), "line begins", "lines begin")
        yield Problem(f"{lines} with # or //, left out as comments: {shown(text)}", f"{name}:{first}")


def _numbered(file: RowFile) -> Iterator[_Line]:
    with open_text(file) as lines:
        for number, line in enumerate(islice(lines, _LOOKED_AT), start=1):
            yield number, line.strip()


def _wrapped(lines: Sequence[_Line]) -> list[int]:
    """Return the lines that look like the rest of the prompt above them."""
    found = []
    begins, before = "", ""
    for number, line in lines:
        if before and line and not is_comment(line) and not is_comment(before):
            word = _GOES_ON.match(line) and not _GOES_ON.match(begins)
            if _UNFINISHED.search(before) or word or (begins[:1].isupper() and line[:1].islower()):
                found.append(number)
        else:
            begins = line
        before = line
    return found


def _of_one_form(prompts: Sequence[_Line], name: str) -> Iterator[Problem]:
    """Yield a problem if every line has quotes around it, or begins as an item of a list."""
    if len(prompts) < _ALL_ALIKE:
        return
    forms: tuple[tuple[Callable[[str], object], str, str], ...] = (
        (_is_quoted, "every line stands in quotes, which are sent with it", "remove them, or name the file .csv"),
        (
            _BULLET.match,
            "every line begins as an item of a list, and is sent so",
            "remove what stands before the prompts",
        ),
    )
    for has_form, said, way in forms:
        if all(has_form(line) for _, line in prompts):
            yield Problem(said, f"{name}:{prompts[0][0]}", way)


def _is_quoted(line: str) -> bool:
    return len(line) > 1 and line.rstrip(",")[:1] + line.rstrip(",")[-1:] in ('""', "''", "“”", "„“")
