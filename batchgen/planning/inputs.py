"""Input pictures and masks: found, checked and hashed once for all requests that use them."""

from __future__ import annotations

import hashlib
from pathlib import Path

from batchgen.manifest.input_pictures import (
    HEAD_BYTES,
    InputRefused,
    data_of,
    is_data_uri,
    is_url,
    media_type,
    picture_file,
    readable,
    short_uri,
)
from batchgen.manifest.picture_references import image_problem
from batchgen.request import Input

_REFUSED = "refused:"


class Inputs:
    """Resolves the inputs of a manifest, relative to its folder; each distinct one is read once."""

    def __init__(self, folder: Path, *, allow_outside: bool = False) -> None:
        self._folder = folder.resolve()
        self._allow_outside = allow_outside
        self._known: dict[str, Input] = {}

    def resolve(self, source: str) -> Input:
        """Return the input that ``source`` (a path, an https URL or a data URI) names.

        One that can't be sent becomes a placeholder, so that the rest of its request is checked: see :func:`refusal`.
        """
        known = self._known.get(source)
        if known is None:
            known = self._known[source] = self._judged(source)
        return known

    def _judged(self, source: str) -> Input:
        try:
            return self._read(source)
        except InputRefused as refused:
            return Input(source, f"{_REFUSED}{refused}")

    def _read(self, source: str) -> Input:
        if problem := image_problem(source):
            raise InputRefused(f"an input {problem}")
        if is_data_uri(source):
            return _data_uri(source)
        if is_url(source):
            return Input(source, f"url:{source}", uri=source)
        with readable(source):
            path = picture_file(self._folder, source, allow_outside=self._allow_outside)
            content = path.read_bytes()
        return Input(source, _digest(content), media_type=media_type(source, content[:HEAD_BYTES]), path=path)


def refusal(found: Input) -> str | None:
    """Return why a resolved input can't be sent; ``None`` if it can, as every input of a plan that is run."""
    return found.digest.removeprefix(_REFUSED) if found.digest.startswith(_REFUSED) else None


def _data_uri(source: str) -> Input:
    content = data_of(source)
    shown = short_uri(source)
    return Input(shown, _digest(content), media_type=media_type(shown, content[:HEAD_BYTES]), uri=source)


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
