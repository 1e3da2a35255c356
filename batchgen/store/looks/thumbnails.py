"""The small pictures of a run folder, named by the digest of the large ones; none is decoded twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from batchgen.store.folder.atomic import make_folder, refuse_links, replacing
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.looks.worker import Look, LookTask
from batchgen.store.looks.workers import LookWorkers
from batchgen.store.pictures.original_files import OriginalFiles

FOLDER = "compare/thumbs"

# The formats that a decoder for still pictures can open; films and drawings (SVG) are shown without a thumbnail.
STILL = frozenset({"png", "jpeg", "webp", "gif", "tiff", "avif"})


class Shot(Protocol):
    """What is to be known of a stored picture to look at it; ``original`` is its name below ``pictures/``."""

    @property
    def sha256(self) -> str: ...

    @property
    def original(self) -> str: ...

    @property
    def format(self) -> str: ...


S = TypeVar("S", bound=Shot)

_BROUGHT_AT_ONCE = 64


def thumbnail_name(sha256: str) -> str:
    """Return the path of a picture's thumbnail, relative to the run folder."""
    return f"{FOLDER}/{sha256[:2]}/{sha256}.webp"


class Thumbnails:
    """The thumbnails of one folder, and what was seen when each was made; both outlive the process.

    ``looks`` is what is to be known of the pictures that are asked for; default: all that was ever seen.
    """

    def __init__(self, folder: RunFolder, looks: Iterable[Look] | None = None) -> None:
        self._folder = folder
        known = chain.from_iterable(read_looks(folder)) if looks is None else looks
        self._looks = {look.sha256: look for look in known}
        self._files = OriginalFiles(folder)

    @property
    def looks(self) -> list[Look]:
        """Return all that was seen, of every picture once."""
        return list(self._looks.values())

    def look(self, sha256: str) -> Look | None:
        """Return what is known of a picture; ``None`` if no look was made, or the thumbnail is gone."""
        look = self._looks.get(sha256)
        if look is None or (not look.problem and not (self._folder.root / thumbnail_name(sha256)).is_file()):
            return None
        return look

    def make(
        self,
        bench: LookWorkers,
        shots: Iterable[Shot],
        listen: Callable[[Look], None] = lambda _: None,
        *,
        enough: Callable[[], bool] = lambda: False,
    ) -> None:
        """Make what is missing for ``shots``; each look is on disk before ``listen`` is called with it.

        The work stops early once ``enough`` says so. Raises ``OSError`` if the folder can't be written.
        """
        missing = list(self.missing(shots))
        if not missing:
            return
        place = _diary(self._folder)
        make_folder(place.parent, self._folder.root)
        # Of a bucket's pictures a few at a time are on this disk.
        at_once = len(missing) if self._files.address is None else _BROUGHT_AT_ONCE
        with place.open("ab") as diary:
            for start in range(0, len(missing), at_once):
                with self._files.brought(missing[start : start + at_once]) as files:
                    for look in bench.shrink_all(self._jobs(missing[start : start + at_once], files)):
                        diary.write(msgspec.json.encode(look) + b"\n")
                        diary.flush()
                        self._looks[look.sha256] = look
                        listen(look)
                        if enough():
                            return

    def missing(self, shots: Iterable[S]) -> Iterator[S]:
        """Return those of ``shots`` that :meth:`make` would look at, one of each digest."""
        asked: set[str] = set()
        for shot in shots:
            if shot.sha256 not in asked and self._is_missing(shot):
                asked.add(shot.sha256)
                yield shot

    def _jobs(self, shots: Iterable[Shot], files: Mapping[str, Path]) -> list[LookTask]:
        root = self._folder.root
        return [
            LookTask(shot.sha256, str(files[shot.original]), str(root / thumbnail_name(shot.sha256)))
            for shot in shots
            if shot.original in files
        ]

    def _is_missing(self, shot: Shot) -> bool:
        is_known = shot.format not in STILL or self.look(shot.sha256) is not None
        return not is_known and self._files.may_be_read(shot.original)


def inside(root: Path, file: str) -> Path | None:
    """Return the path of a recorded file, ``None`` if the path leads out of ``root``: a ledger may be a stranger's."""
    path = root / file
    if ".." in path.parts or not path.is_relative_to(root) or path == root:
        return None
    try:
        refuse_links(path, root)
    except NotADirectoryError:
        return None
    return path


def picture_inside(folder: RunFolder, file: str) -> Path | None:
    """Return the path of a recorded picture, also in the parts of folders read together; ``None`` as above."""
    for prefix, part in folder.parts:
        if file.startswith(prefix) and (path := inside(part.root, file.removeprefix(prefix))) is not None:
            return path
    return None


def forget(folder: RunFolder, digests: frozenset[int]) -> None:
    """Remove the thumbnails of pictures whose digests begin with one of these 64-bit numbers, and what was seen.

    Raises ``OSError``. A look that another process makes in this very moment may be lost too, and is made again.
    """
    with replacing(_diary(folder)) as diary:
        for looks in read_looks(folder):
            for look in looks:
                if not _DIGEST.fullmatch(look.sha256):
                    continue
                thumbnail = inside(folder.root, thumbnail_name(look.sha256))
                if int(look.sha256[:16], 16) in digests and thumbnail is not None:
                    thumbnail.unlink(missing_ok=True)
                else:
                    diary.write(msgspec.json.encode(look) + b"\n")


def read_looks(folder: RunFolder) -> Iterator[list[Look]]:
    """Return all that was ever seen of the pictures of ``folder``, in handfuls, the oldest first."""
    for place in {_diary(one): None for one in (*(part for _, part in folder.parts), folder)}:
        if place.is_file():
            with place.open("rb") as lines:
                while some := lines.readlines(_HANDFUL_BYTES):
                    yield [look for look in _decoded(some) if look.problem or look.tint]


_HANDFUL_BYTES = 4 << 20
_DIGEST = re.compile("[0-9a-f]{64}")

_look = msgspec.json.Decoder(Look)


def _diary(folder: RunFolder) -> Path:
    return folder.root / FOLDER / "looks.jsonl"


def _decoded(lines: list[bytes]) -> list[Look]:
    with suppress(msgspec.MsgspecError):
        return _look.decode_lines(b"".join(lines))
    # The process that wrote one of the lines died: that picture is looked at again.
    found = []
    for line in lines:
        with suppress(msgspec.MsgspecError):
            found.append(_look.decode(line))
    return found
