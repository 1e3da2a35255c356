"""Pictures that the manifest no longer asks for: which of them may lose their names, and which bytes may go for
good.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import anyio.to_thread

from batchgen.planning.naming import is_opaque
from batchgen.running.bucket_session import BucketSession
from batchgen.running.relink import OpenStems
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import names, retired
from batchgen.store.ledger.ledger import Ledger, now_ms
from batchgen.store.ledger.plan_diff import Orphans, PlanDiff
from batchgen.wording import counted

_BATCH = 500


@dataclass(frozen=True, slots=True)
class OrphanNames:
    """Stored requests that nothing asks for: requests ``free`` to lose their names, and the ``names`` that would go.

    ``kept`` keep theirs until their replacements are stored; ``all_names`` counts every name of the folder.
    """

    free: Sequence[int]
    kept: int
    names: int
    all_names: int

    @property
    def too_many(self) -> bool:
        """Return whether so many names would go at once that the manifest was more likely cut off."""
        return 2 * self.names > self.all_names


def orphan_names(diff: PlanDiff, opened: OpenStems) -> OrphanNames:
    """Return what may be pruned. A name of the user's own stays while a request of the plan waits for its picture under
    that name; an opaque name, whose successor nobody can tell, while any request waits. For a thread.
    """
    stems: dict[int, set[str]] = {}
    for numbers in diff.orphan_requests():
        stems |= retired.stems_of(diff.db, numbers)
    held = opened({stem for some in stems.values() for stem in some})
    busy = len(diff.open_positions) > 0
    free = [number for number, some in stems.items() if not some & held and not (busy and any(map(is_opaque, some)))]
    going = sum(len(stems[number]) for number in free)
    return OrphanNames(free, len(stems) - len(free), going, retired.count_names(diff.db))


def told(diff: PlanDiff, opened: OpenStems) -> Orphans:
    """Return what the plan no longer asks for, and how many requests of that keep their names. For a thread."""
    found = diff.orphans()
    return Orphans(found.count, found.first, orphan_names(diff, opened).kept) if found.count else found


def refusal(found: OrphanNames) -> str:
    """Return why a run does not prune so many names at once, and the command that does."""
    return (
        f"nothing was pruned: {counted(found.names, 'name')} of {found.all_names:,} would go, more than half. If the "
        "manifest is whole, `batchgen prune` takes them away"
    )


async def prune(ledger: Ledger, found: OrphanNames) -> int:
    """Mark the names of orphans as unwanted; return of how many requests. The view takes these names away."""
    for start in range(0, len(found.free), _BATCH):
        some = found.free[start : start + _BATCH]
        await ledger.change(partial(names.retire, requests=some, now_ms=now_ms()))
    return len(found.free)


async def withdraw(ledger: Ledger, diff: PlanDiff) -> int:
    """Retire what ended without a picture and the plan no longer asks for; return how many requests."""
    numbers = await anyio.to_thread.run_sync(retired.no_longer_asked, diff)
    if numbers:
        await ledger.change(partial(retired.withdraw, requests=numbers, now_ms=now_ms()))
    return len(numbers)


async def discard(
    folder: RunFolder, ledger: Ledger, diff: PlanDiff, bucket: BucketSession | None = None
) -> tuple[int, int]:
    """Delete the bytes of every picture that has lost its names; return how many, and how many bytes that frees.

    The mark comes first: a process that dies in between leaves bytes that the next call deletes. Raise
    :class:`StoppedEarly` if the bucket fails.
    """
    found = await anyio.to_thread.run_sync(retired.discardable, diff.db)
    await ledger.change(partial(retired.discard, requests=sorted({number for number, _, _ in found}), now_ms=now_ms()))
    originals = [(original, size) for _, original, size in found]
    if bucket is not None:
        return await anyio.to_thread.run_sync(bucket.delete, originals)
    return await anyio.to_thread.run_sync(_delete, folder, originals)


def _delete(folder: RunFolder, originals: Sequence[tuple[str, int]]) -> tuple[int, int]:
    count = freed = 0
    for original, size in originals:
        with suppress(FileNotFoundError):
            folder.original(original).unlink()
            count, freed = count + 1, freed + size
    return count, freed
