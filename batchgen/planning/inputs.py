"""Input pictures and masks: found, checked and hashed once for all requests that use them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path

from batchgen.manifest.input_pictures import (
    InputRefused,
    data_of,
    is_data_uri,
    is_url,
    judged,
    picture_file,
    readable,
    short_uri,
)
from batchgen.manifest.picture_references import LARGEST_IMAGE, image_problem
from batchgen.request import Input
from batchgen.store.inputs.decode_worker import Decoded
from batchgen.store.inputs.input_files import InputFiles
from batchgen.store.media.picture_header import PictureHeader
from batchgen.wording import shown

_REFUSED = "refused:"


class Inputs:
    """Resolves the inputs of a manifest, relative to its folder; each distinct one is read once.

    Those that EXIF data say are to be seen turned are turned before they are hashed and sent, if ``orient``.
    """

    def __init__(
        self, folder: Path, *, allow_outside: bool = False, orient: bool = False, files: InputFiles | None = None
    ) -> None:
        self._folder = folder.resolve()
        self._allow_outside = allow_outside
        self._orient = orient
        self._files = files or InputFiles(self._folder)
        self._known: dict[str, Input] = {}
        self._headers: dict[str, PictureHeader] = {}

    def resolve(self, source: str) -> Input:
        """Return the input that ``source`` (a path, an https URL or a data URI) names.

        One that can't be sent becomes a placeholder, so that the rest of its request is checked: see :func:`refusal`.
        """
        known = self._known.get(source)
        if known is None:
            known = self._known[source] = self._judged(source)
        return known

    def header(self, one: Input) -> PictureHeader | None:
        """Return what the bytes that are sent say of themselves; ``None`` for a URL, and for what is refused."""
        return self._headers.get(one.digest)

    def decodes(self, one: Input) -> bool:
        """Return whether an input is decoded: before anything is sent, or if the answer is known already."""
        return self._files.decodes or self._files.knows(one.digest.removeprefix("sha256:"))

    def decoded(self, wanted: Iterable[Input]) -> Mapping[str, Decoded]:
        """Return what decoding tells of each of these inputs that has bytes, by their digests."""
        sources = {
            one.digest.removeprefix("sha256:"): one.path or data_of(one.uri or "")
            for one in wanted
            if one.digest in self._headers
        }
        return {f"sha256:{sha256}": found for sha256, found in self._files.decoded(sources).items()}

    def close(self) -> None:
        """Keep what was learned for the next plan, and end what was started for this one."""
        self._files.close()

    def _judged(self, source: str) -> Input:
        try:
            return self._read(source)
        except InputRefused as refused:
            return Input(source, f"{_REFUSED}{refused}")

    def _read(self, source: str) -> Input:
        if problem := image_problem(source):
            raise InputRefused(f"an input {problem}")
        if is_data_uri(source):
            return self._data_uri(source)
        if is_url(source):
            return Input(source, f"url:{source}", uri=source)
        with readable(source):
            path = picture_file(self._folder, source, allow_outside=self._allow_outside)
            found = self._files.look(path, partial(judged, source))
            if self._orient and found.header.orientation != 1:
                return self._upright(source, path, found.sha256)
        return self._noted(Input(source, f"sha256:{found.sha256}", path=path), found.header)

    def _data_uri(self, source: str) -> Input:
        content, name = data_of(source), short_uri(source)
        header, sha256 = judged(source, content), hashlib.sha256(content).hexdigest()
        if self._orient and header.orientation != 1:
            with readable(name):
                return self._upright(name, content, sha256)
        return self._noted(Input(name, f"sha256:{sha256}", uri=source), header)

    def _upright(self, source: str, picture: Path | bytes, sha256: str) -> Input:
        turned = self._files.upright(picture, sha256)
        if isinstance(turned, Decoded):
            raise InputRefused(f"{shown(source)} {turned.problem}")
        if (size := turned.stat().st_size) > LARGEST_IMAGE:
            most = f"the service takes up to {LARGEST_IMAGE:,}"
            raise InputRefused(f"{shown(source)} has {size:,} bytes once it is turned upright, {most}")
        found = self._files.look(turned, partial(judged, "the upright picture"))
        return self._noted(Input(source, f"sha256:{found.sha256}", path=turned), found.header)

    def _noted(self, one: Input, header: PictureHeader) -> Input:
        self._headers[one.digest] = header
        return Input(one.source, one.digest, media_type=f"image/{header.kind}", path=one.path, uri=one.uri)


def refusal(found: Input) -> str | None:
    """Return why a resolved input can't be sent; ``None`` if it can, as every input of a plan that is run."""
    return found.digest.removeprefix(_REFUSED) if found.digest.startswith(_REFUSED) else None
