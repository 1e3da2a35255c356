"""The looks at pictures of a run folder that nobody has looked at yet: after a run, or for its report.

What was seen of pictures that lost their names goes too; such pictures are looked at again when they come back. All
looks are advice, and a cache under the digests of the pictures: an update may be cut short, or fail, and be made later.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import snapshot
from batchgen.store.looks.index import seen
from batchgen.store.looks.table import Named, named, read_pictures
from batchgen.store.looks.thumbnails import Thumbnails, forget, read_looks
from batchgen.store.looks.worker import Look
from batchgen.store.looks.workers import LookWorkers
from batchgen.store.pictures.original_files import OriginalFiles

# So long a run may take at its end to look at what it could not look at before; `batchgen report` looks at the rest.
AFTER_A_RUN_S = 2.0

# A worker is not worth its start for fewer pictures than this.
_PICTURES_A_WORKER = 24


@dataclass(frozen=True, slots=True)
class Updated:
    """How many pictures were looked at now, how many are left, and why, if the disk failed."""

    now: int
    left: int
    problem: str = ""


def look_at_new(
    folder: RunFolder,
    *,
    within_s: float | None = None,
    listen: Callable[[int, int], None] = lambda _done, _wanted: None,
) -> Updated:
    """Look at what is new in ``folder`` for about ``within_s`` seconds; ``listen`` gets the numbers done and wanted.

    Raises :class:`LedgerDamaged`; a disk that takes no thumbnails is a ``problem`` of the answer.
    """
    done = 0
    shots: list[Named] = []
    try:
        shots = _new(folder)
        if not shots:
            return Updated(0, 0)
        thumbnails = Thumbnails(folder, looks=())
        end_s = None if within_s is None else time.monotonic() + within_s

        def count(_: Look) -> None:
            nonlocal done
            done += 1
            listen(done, len(shots))

        workers = max(1, len(shots) // _PICTURES_A_WORKER)
        with LookWorkers(most=workers) as bench:
            thumbnails.make(bench, shots, count, enough=lambda: end_s is not None and time.monotonic() > end_s)
    except OSError as error:
        return Updated(done, len(shots) - done, str(error))
    return Updated(done, len(shots) - done)


def _new(folder: RunFolder) -> list[Named]:
    """Return a picture of each new digest, if its file is there; remove the looks at pictures that are gone."""
    import numpy as np

    # Looks first: one that is younger than the pictures would seem to be of none of them.
    known = seen(read_looks(folder))
    with snapshot(folder.ledger) as db:
        pictures = read_pictures(db, known)
        unseen = list(named(db, pictures, np.flatnonzero(pictures.still & (pictures.places < 0))))
    gone = known.ordered[~np.isin(known.ordered, pictures.digests)]
    if len(gone):
        with suppress(OSError):  # a folder that can't be written keeps a few thumbnails too many
            forget(folder, frozenset(gone.tolist()))
    files = OriginalFiles(folder)
    found: dict[str, Named] = {}
    for one in unseen:
        if one.sha256 not in found and files.may_be_read(one.original):
            found[one.sha256] = one
    return list(found.values())
