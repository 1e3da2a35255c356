"""The names of pictures: opaque by default, or the user's own template made safe.

Default names carry no word of a prompt or a model: dataset loaders read `train`, `test` or `eval` out of paths and
silently drop the pictures they misplace. No value brings a dot into a name: readers of WebDataset take what stands
before the first one for the key of a sample, and pictures of one key for one sample.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

from batchgen.errors import BadName
from batchgen.manifest import Template, segment_problem

PER_FOLDER = 1000

_OPAQUE = re.compile(r"images/\d{5,}/\d{9,}-[0-9a-f]{8}(-\d+)?", re.ASCII)
_UNSAFE = re.compile(r"[^\w.+=@-]+", re.ASCII)
# A short word that is safe as it is.
_SLUG = re.compile(r"[\w+=@]([\w+=@-]{0,98}[\w+=@])?", re.ASCII)
# The suffix of a file that a value or a template names: the picture gets the one of its own bytes.
_FILE_SUFFIX = re.compile(r"\.(png|jpe?g|webp|gif|avif|bmp|tiff?|heic|svg|mp4|webm|mov)$", re.IGNORECASE)
# A value that became part of a path is cut here: several of them still fit into one name.
_LONGEST_VALUE_BYTES = 120
# Marks above and below Latin letters, which a plain letter can do without; those of other scripts are part of a word.
_LATIN_MARKS = re.compile("([A-Za-z])[\u0300-\u036f]+")
# Letters and marks by their category that show nothing: two names would look alike.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


def opaque_stem(index: int, key: str) -> str:
    """Return ``images/00000/000000123-9f3c21ab``: 1,000 names a folder, sorted as the plan is."""
    return f"images/{index // PER_FOLDER:05d}/{index:09d}-{key[:8]}"


def is_opaque(stem: str) -> bool:
    """Return whether a stem is one that :func:`opaque_stem` makes."""
    return _OPAQUE.fullmatch(stem) is not None


def named_stem(template: Template, values: Mapping[str, str]) -> str:
    """Return the user's name for a picture, below ``images/``. Raise :class:`BadName` or :class:`KeyError`.

    A value fills one part of a path and can't open a new folder. Letters and digits of every script stay, Latin ones
    without their accents; whatever is none, nor one of ``+=@-_``, becomes a hyphen. A picture's suffix at the end of a
    value or of the whole is left out, since the extension is added from the bytes.
    """
    path = without_suffix(template.render({name: _slug(values[name]) for name in template.names}))
    if not path.isascii():
        path = unicodedata.normalize("NFC", path)
    for part in path.split("/"):
        if not part:
            raise BadName(f"output.path gives {path!r} with an empty part: a value it uses has no letter or digit")
        if problem := segment_problem(part):
            raise BadName(f"output.path gives a name that {problem}")
    return f"images/{path}"


def without_suffix(name: str) -> str:
    """Return ``name`` without the suffix of a picture or film."""
    return _FILE_SUFFIX.sub("", name)


def _slug(text: str) -> str:
    """Return ``text`` as part of a file name that every system takes."""
    return text if _SLUG.fullmatch(text) else _made_slug(text)


@lru_cache(maxsize=10_000)
def _made_slug(text: str) -> str:
    text = without_suffix(text)
    if not text.isascii():
        text = _plain(text)
    text = text.replace(".", "-")
    kept = _UNSAFE.sub("-", text) if text.isascii() else "-".join(_words(text))
    cut = kept.strip("-. ").encode()[:_LONGEST_VALUE_BYTES].decode(errors="ignore")
    return cut.rstrip("-. ")


def _plain(text: str) -> str:
    """Return the normal form of ``text``, the same for every way to write it, with Latin letters without marks."""
    decomposed = _INVISIBLE.sub("", unicodedata.normalize("NFKD", text))
    return unicodedata.normalize("NFC", _LATIN_MARKS.sub(r"\1", decomposed))


def _words(text: str) -> list[str]:
    return "".join(char if _belongs(char) else " " for char in text).split()


def _belongs(char: str) -> bool:
    if char.isascii():
        return not _UNSAFE.match(char)
    # Letters, the marks that vowels are in many scripts, and digits.
    return unicodedata.category(char)[0] in "LMN"


def folded(stem: str) -> str:
    """Return ``stem`` without case and Unicode form: two names are two files on every system if these differ."""
    # Folding the case may leave a form that is no longer normal, and the other way round.
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", stem).casefold())
