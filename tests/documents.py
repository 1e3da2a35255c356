"""The commands that the documents show, as a reader would type them."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]

# A comment in front of a block says how it is run elsewhere, or what it needs.
_BLOCK = re.compile(r"(?:<!-- (?P<note>[^>]*) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)```", re.DOTALL)


def blocks(document, language):
    """``(note, text)`` of every fenced block of that language."""
    text = (ROOT / document).read_text(encoding="utf-8")
    return [(match["note"] or "", match["text"]) for match in _BLOCK.finditer(text) if match["language"] == language]


def commands(document):
    """``(note, command)`` of every line that a reader would type into a shell."""
    return [(note, line) for note, text in blocks(document, "sh") for line in text.splitlines() if line.strip()]
