"""Where a picture will stand: opaque by default, or the user's own template made safe.

Default names carry no word of a prompt or a model: dataset loaders read `train`, `test` or `eval` out of paths and
silently drop the pictures they misplace.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from batchgen.errors import UsageError
from batchgen.manifest import Template, segment_problem

PER_FOLDER = 1000

_UNSAFE = re.compile(r"[^\w.+=@-]+", re.ASCII)
# A value that became part of a path is cut here: several of them still fit into one name.
_LONGEST_VALUE = 120


class BadName(UsageError):
    """A picture's name can't be made of this request's values."""


def opaque_stem(index: int, key: str) -> str:
    """``images/00000/000000123-9f3c21ab``: 1,000 a folder, sorted as the manifest is."""
    return f"images/{index // PER_FOLDER:05d}/{index:09d}-{key[:8]}"


def named_stem(template: Template, values: Mapping[str, str]) -> str:
    """The user's name for a picture, below ``images/``. Raises :class:`BadName`.

    A value fills one part of a path and can't open a new folder: whatever is no letter, digit or one of ``.+=@-_``
    becomes a hyphen.
    """
    path = template.render({name: _slug(values[name]) for name in template.names})
    for part in path.split("/"):
        if not part:
            raise BadName(f"output.path gives {path!r} with an empty part: a value it uses has no letter or digit")
        if problem := segment_problem(part):
            raise BadName(f"output.path gives a name that {problem}")
    return f"images/{path}"


def _slug(text: str) -> str:
    """``text`` as part of a file name that every system and shell takes."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return _UNSAFE.sub("-", plain).strip("-. ")[:_LONGEST_VALUE].rstrip("-. ")


def folded(stem: str) -> str:
    """What two names must differ in, to be two files on every system: case and Unicode form do not count."""
    return unicodedata.normalize("NFC", stem).casefold()
