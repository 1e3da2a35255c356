"""What a run leaves in its folder beside its ledger: the lists of pictures and failures, and the names of pictures.

These files are what is left to read when the ledger is lost, or older than they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from itertools import chain, count, groupby
from pathlib import Path
from typing import Any

import msgspec

from batchgen.request import State
from batchgen.store.dataset.jsonl_reader import FailureLine, PaidLines, UnreadableLine, read_failed, read_paid
from batchgen.store.dataset.metadata import FAILURES, RETIRED
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.reader import Reader

METADATA = "metadata.jsonl"


def is_lost(folder: RunFolder) -> bool:
    """Return whether a run has been here and its ledger is gone, or was begun anew and knows nothing yet.

    Raises :class:`LedgerDamaged` for a ledger that can't be read: that one is not lost.
    """
    if folder.ledger.is_file() and folder.ledger.stat().st_size:
        with closing(Reader(folder.ledger)) as reader:
            if reader.has_tables and reader.knows_any():
                return False
    lists = (folder.root / name for name in (METADATA, FAILURES))
    listed = any(path.is_file() and path.stat().st_size for path in lists)
    return (
        listed
        or any(picture_files(folder))
        or any(folder.pictures.glob("*/[!.]*.*"))
        or any(folder.answers.glob("*.body"))
    )


def remembered(folder: RunFolder) -> Callable[[Iterable[str]], Mapping[str, State]]:
    """Return a function that looks up the states of keys as a ledger made anew would have them; changes nothing."""
    states = {line["key"]: State.STORED for line in _lines(folder.root / METADATA) if line}
    states |= {path.name[:32]: State.STORED for path in folder.pictures.glob("*/*-1.*")}
    for line in filter(None, chain.from_iterable(_lines(folder.root / name) for name in (FAILURES, RETIRED))):
        with suppress(LookupError, ValueError):
            states.setdefault(line["key"], State(line["state"]))

    def lookup(keys: Iterable[str]) -> Mapping[str, State]:
        return {key: states[key] for key in keys if key in states}

    return lookup


def picture_files(folder: RunFolder) -> Iterator[str]:
    """Return the files below ``images/``, by their names relative to the run folder, without hidden ones."""
    for path in folder.images.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(folder.root).as_posix()


def is_plain_file(path: Path, folder: RunFolder) -> bool:
    """Return whether a file lies below ``images/`` and no link leads to it."""
    level = path
    while level not in (folder.root, level.parent):
        if level.is_symlink():
            return False
        level = level.parent
    return path.is_file()


def set_aside_logs(ledger: Path) -> None:
    """Keep the logs of a ledger that is gone from being played into the new one."""
    if ledger.is_file() and ledger.stat().st_size:
        return
    for suffix in ("-wal", "-shm", "-journal"):
        log = Path(f"{ledger}{suffix}")
        if log.exists():
            log.replace(log.with_name(f"{log.name}.of-the-lost-ledger"))


class Leftovers:
    """The lists of one run folder, to be read. ``unreadable`` counts the lines so far that belong to no request."""

    def __init__(self, folder: RunFolder) -> None:
        self._folder = folder
        self._index = count(1)
        self.unreadable = 0

    def stored(self) -> Iterator[PaidLines]:
        """Return the answers of metadata.jsonl."""
        # The lines of one request stand side by side; those of rows that share it have no cost of their own.
        for _, group in groupby(self._readable(METADATA), key=lambda line: line["key"]):
            lines = [line for line in group if not line.get("shares")]
            if not lines:
                continue
            try:
                yield read_paid(lines, index=next(self._index))
            except UnreadableLine:
                self.unreadable += len(lines)

    def failed(self) -> Iterator[FailureLine]:
        """Return the requests that ended otherwise."""
        for line in chain.from_iterable(map(self._readable, (FAILURES, RETIRED))):
            try:
                yield read_failed(line, index=next(self._index))
            except UnreadableLine:
                self.unreadable += 1

    def _readable(self, name: str) -> Iterator[dict[str, Any]]:
        for line in _lines(self._folder.root / name):
            if line is None:
                self.unreadable += 1
            else:
                yield line


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """Return the lines of a derived file; ``None`` for one that has no key."""
    if not path.is_file() or path.is_symlink():
        return
    with path.open("rb") as stream:
        for text in stream:
            line = None
            with suppress(msgspec.DecodeError, UnicodeDecodeError):
                line = msgspec.json.decode(text)
            yield line if isinstance(line, dict) and isinstance(line.get("key"), str) else None
