"""Words that bash divides for completion at ``=`` and ``:``, made whole again: ``style = ink`` is ``style=ink``."""

from __future__ import annotations

import io
import os
import re
import shlex
import sys
from collections.abc import Callable, MutableMapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass

# Typer's name for what asks, and bash's for the words and the one of them that is being typed.
_ASKED, _WORDS, _CURRENT = "_BATCHGEN_COMPLETE", "COMP_WORDS", "COMP_CWORD"
_BREAK = re.compile("[=:]+")


@dataclass(frozen=True, slots=True)
class Joined:
    """The words as they were typed, the place of the one being typed, and the part of it that bash keeps."""

    words: tuple[str, ...]
    current: int
    kept: str


def joined(words: Sequence[str], current: int) -> Joined:
    """Return the words joined again at the breaks of bash.

    What bash puts in is what stands behind the last break alone, so completions lose the part before it.
    """
    found: list[str] = []
    glued, at, kept = False, current, ""
    for place, word in enumerate(words):
        is_break = _BREAK.fullmatch(word) is not None
        if found and (is_break or glued):
            before = found[-1]
            found[-1] += word
            if place == current:
                kept = found[-1] if is_break else before
        else:
            found.append(word)
        if place == current:
            at = len(found) - 1
        glued = is_break
    return Joined(tuple(found), at if current < len(words) else len(found), kept)


def with_whole_words(run: Callable[[], int], environment: MutableMapping[str, str] = os.environ) -> int:
    """Call ``run``; if bash asks for completions, with whole words, and print what bash is to put in."""
    current = environment.get(_CURRENT, "")
    if environment.get(_ASKED) != "complete_bash" or _WORDS not in environment or not current.isdecimal():
        return run()
    found = joined(_split(environment[_WORDS]), int(current))
    environment.update({_WORDS: shlex.join(found.words), _CURRENT: str(found.current)})
    with redirect_stdout(io.StringIO()) as said:
        code = run()
    sys.stdout.writelines(f"{_put_in(line, found.kept)}\n" for line in said.getvalue().splitlines())
    return code


def _put_in(word: str, kept: str) -> str:
    """Return ``word`` without what bash keeps of it; of ``--only=style=``, completions have ``style=`` alone."""
    starts = [0, *(found.end() for found in _BREAK.finditer(kept))]
    return next(word.removeprefix(kept[start:]) for start in starts if word.startswith(kept[start:]))


def _split(line: str) -> list[str]:
    """Return the words of a line that may end within quotes."""
    reader = shlex.shlex(line, posix=True)
    reader.whitespace_split, reader.commenters = True, ""
    words: list[str] = []
    try:
        words.extend(reader)
    except ValueError:
        words.append(reader.token)
    return words
