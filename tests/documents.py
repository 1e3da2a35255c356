"""The commands that the documents show, as a reader would type them."""

import os
import re
import shlex
from pathlib import Path
from unittest import mock

from tests.program import run_here

ROOT = Path(__file__).parents[1]

# A comment in front of a block says how it is run elsewhere, or what it needs.
_BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


def blocks(document, language):
    """``(note, text)`` of every fenced block of that language."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [(match["note"] or "", match["text"]) for match in _BLOCK.finditer(text) if match["language"] == language]


def typed(command, folder, **environment):
    """Run a line that begins with `batchgen`, in ``folder``; of a shell's powers it may use `> FILE` or `< FILE`."""
    lexer = shlex.shlex(command, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    program, *words = lexer
    assert program == "batchgen"
    assert not re.search(r"[$`*?]", command), f"a shell would change a word of this: {command}"
    words, target = (words[:-2], words[-1]) if ">" in words[-2:-1] else (words, None)
    words, source = (words[:-2], words[-1]) if "<" in words[-2:-1] else (words, None)
    assert not {"|", "||", "&", "&&", ";", "<", ">"} & {*words}, f"only a shell could run this: {command}"
    piped = folder / source if source else Path(os.devnull)
    with piped.open(encoding="utf-8") as stdin, mock.patch("sys.stdin", stdin):
        done = run_here(folder, *words, **environment)
    if target:
        (folder / target).write_text(done.stdout, encoding="utf-8")
    return done


def commands(document):
    """``(note, command)`` of every line that a reader would type into a shell."""
    return [(note, line) for note, text in blocks(document, "sh") for line in text.splitlines() if line.strip()]
