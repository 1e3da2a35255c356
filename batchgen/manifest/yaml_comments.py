"""A plain YAML value that ends where a `` #`` begins a comment: of ``in colour #ff0000`` the colour is lost."""

from __future__ import annotations

import re

from batchgen.manifest.document import DataPath
from batchgen.manifest.values import PARAMETERS

# People set a comment off with a blank behind its sign; without one, or before a number, it is a part of the text.
_CUT = re.compile(r"[ \t]+#+(?:[^\s#]|[ \t]+[0-9])[^\r\n]*")

# The sections whose values are words of the user's own, by the depth at which those stand.
_WORDS = frozenset({"rows", "defaults", "matrix", "zip", "include", "exclude"})


def cut_off(text: str, end: int) -> str:
    """Return the comment behind a plain value that ends at ``end``, if it reads like the rest of the value."""
    found = _CUT.match(text, end)
    return found[0].strip() if found else ""


def is_free_text(path: DataPath) -> bool:
    """Return whether the value at ``path`` may be any text: a number, a size or a choice is whole without the rest."""
    if not path or path[0] not in _WORDS:
        return path in {("prompt",), ("output", "path")}
    names = [step for step in path[1:] if isinstance(step, str)]
    if path[0] == "matrix" and len(names) == 2:
        # A titled value: of the axis itself, or of what it names.
        names = names[:1] if len(path) == 3 else names
    name = names[-1] if names else ""
    return bool(name) and (name == "prompt" or name not in {*PARAMETERS, "repeat"})
