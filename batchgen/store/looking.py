"""Looks at the pictures of a run folder that nobody has looked at yet: after a run, never while it buys.

What is seen is advice, and a cache under the digests of the pictures: it may be cut short, or fail, and be made later.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec

from batchgen.store.bench import Bench
from batchgen.store.folder import RunFolder
from batchgen.store.records import snapshot
from batchgen.store.shrink import Look
from batchgen.store.thumbnails import STILL, Thumbnails

# So long a run may take at its end to look at what it bought; `batchgen report` looks at the rest.
AFTER_A_RUN_S = 30.0

# A worker is not worth its start for fewer pictures than this.
_PICTURES_A_WORKER = 24


class _Shot(msgspec.Struct, frozen=True, gc=False):
    file: str
    sha256: str
    format: str


@dataclass(frozen=True, slots=True)
class Looked:
    """How many pictures were looked at now, how many are left, and why, where the disk gave in."""

    now: int
    left: int
    problem: str = ""


def look_at_new(
    folder: RunFolder,
    *,
    within_s: float | None = None,
    listen: Callable[[int, int], None] = lambda _done, _wanted: None,
) -> Looked:
    """Looks at what is new in ``folder``, for about ``within_s`` seconds; ``listen`` hears of each of so many.

    Raises :class:`LedgerDamaged`; a disk that takes no thumbnails is said, not raised.
    """
    done = 0
    shots: list[_Shot] = []
    try:
        thumbnails = Thumbnails(folder)
        shots = _new(folder, thumbnails)
        if not shots:
            return Looked(0, 0)
        end_s = None if within_s is None else time.monotonic() + within_s

        def count(_: Look) -> None:
            nonlocal done
            done += 1
            listen(done, len(shots))

        workers = max(1, len(shots) // _PICTURES_A_WORKER)
        with Bench(most=workers) as bench:
            thumbnails.make(bench, shots, count, enough=lambda: end_s is not None and time.monotonic() > end_s)
    except OSError as error:
        return Looked(done, len(shots) - done, str(error))
    return Looked(done, len(shots) - done)


def _new(folder: RunFolder, thumbnails: Thumbnails) -> list[_Shot]:
    with snapshot(folder.ledger) as db:
        shots = {sha256: _Shot(file, sha256, kind) for file, sha256, kind in _shots(db) if not thumbnails.seen(sha256)}
    return [shot for shot in shots.values() if (folder.root / shot.file).is_file()]


def _shots(db: sqlite3.Connection) -> sqlite3.Cursor:
    wanted = msgspec.json.encode(sorted(STILL)).decode()
    return db.execute(
        "SELECT file, sha256, format FROM pictures WHERE format IN (SELECT value FROM json_each(?))", (wanted,)
    )
