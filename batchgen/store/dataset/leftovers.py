"""What a run leaves in its folder beside its ledger: the lists of pictures and failures, and the pictures themselves.

They are what is left to read when the ledger is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain, count, groupby
from pathlib import Path
from typing import Any

import msgspec

from batchgen.request import State
from batchgen.store.dataset.jsonl_reader import FailureLine, Paid, UnreadableLine, read_failed, read_paid
from batchgen.store.dataset.metadata import FAILURES, WITHDRAWN
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.trash import MOVED

METADATA = "metadata.jsonl"
_FAILURES = (FAILURES, WITHDRAWN)


def is_lost(folder: RunFolder) -> bool:
    """Whether a run has been here and its ledger is gone. A ledger that is there, but damaged, is not lost."""
    if folder.ledger.is_file() and folder.ledger.stat().st_size:
        return False
    lines = (folder.root / name for name in (METADATA, *_FAILURES, *_trash_lists(folder)))
    return any(path.is_file() and path.stat().st_size for path in lines) or any(picture_files(folder))


def remembered(folder: RunFolder) -> Callable[[Iterable[str]], Mapping[str, State]]:
    """Looks up the states of keys as a rebuilt ledger would have them; changes nothing."""
    stored = (METADATA, *_trash_lists(folder))
    states = {line["key"]: State.STORED for name in stored for line in _lines(folder.root / name) if line}
    for line in filter(None, chain.from_iterable(_lines(folder.root / name) for name in _FAILURES)):
        with suppress(LookupError, ValueError):
            states[line["key"]] = State(line["state"])

    def lookup(keys: Iterable[str]) -> Mapping[str, State]:
        return {key: states[key] for key in keys if key in states}

    return lookup


def picture_files(folder: RunFolder) -> Iterator[str]:
    """The files below ``images/``, by their names relative to the run folder; hidden ones are nobody's pictures."""
    for path in folder.images.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(folder.root).as_posix()


class Remains:
    """Reads the lists of one run folder. ``unreadable`` counts the lines so far that belong to no request."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._index = count(1)
        self.unreadable = 0

    def stored(self) -> Iterator[Paid]:
        """The answers of metadata.jsonl."""
        return self._paid(METADATA)

    def trashed(self) -> Iterator[Paid]:
        """The answers whose pictures were moved to the trash: paid for as well, and wanted back some day."""
        for name in _trash_lists(self._folder):
            yield from self._paid(name)

    def failed(self) -> Iterator[FailureLine]:
        """The requests that ended otherwise, those too that were no longer asked for."""
        for line in chain.from_iterable(map(self._readable, _FAILURES)):
            try:
                yield read_failed(line, index=next(self._index))
            except UnreadableLine:
                self.unreadable += 1

    def _paid(self, name: str) -> Iterator[Paid]:
        # The pictures of one answer stand on neighbouring lines.
        for _, group in groupby(self._readable(name), key=lambda line: line["key"]):
            lines = list(group)
            try:
                yield read_paid(lines, index=next(self._index))
            except UnreadableLine:
                self.unreadable += len(lines)

    def _readable(self, name: str) -> Iterator[dict[str, Any]]:
        for line in _lines(self._folder.root / name):
            if line is None:
                self.unreadable += 1
            else:
                yield line


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """The lines of a derived file; ``None`` for one that has no key."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        for text in stream:
            line = None
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                line = msgspec.json.decode(text)
            yield line if isinstance(line, dict) and isinstance(line.get("key"), str) else None


def _trash_lists(folder: RunFolder) -> list[str]:
    """The lists of what lies in the trash, by their names relative to the run folder."""
    return [path.relative_to(folder.root).as_posix() for path in sorted(folder.trash.glob(f"*/{MOVED}"))]
