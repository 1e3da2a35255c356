"""Removes names that a manifest no longer asks for, and deletes their pictures if asked to; buys nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from batchgen.commands.job import existing_folder, folder_of, manifest_of, planned
from batchgen.commands.ownership import claim
from batchgen.commands.report import DERIVED, write_derived
from batchgen.errors import StoppedEarly
from batchgen.manifest import Manifest
from batchgen.planning.plan import Plan
from batchgen.running import orphans
from batchgen.running.bucket_session import BucketSession, open_bucket
from batchgen.running.metadata_sync import sync
from batchgen.running.outer_loop import wait_for
from batchgen.running.relink import open_stems, relink, view_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import open_ledger
from batchgen.store.ledger.plan_diff import Orphans, PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.store.pictures.bucket import BucketFailed


@dataclass(frozen=True, slots=True)
class Pruned:
    """Requests that lost their names, and the ``orphans``, some of which keep their names for now.

    ``withdrawn`` failures are no longer listed. ``deleted`` pictures are gone for good, which frees ``freed_bytes``.
    """

    folder: Path
    orphans: Orphans
    requests: int
    withdrawn: int
    deleted: int = 0
    freed_bytes: int = 0

    @property
    def changed(self) -> bool:
        return bool(self.requests or self.withdrawn or self.deleted)


def prune(
    manifest: Manifest | str | Path,
    *,
    folder: str | Path | None = None,
    delete: bool = False,
    notice: Callable[[str], None] | None = None,
) -> Pruned:
    """Remove the names that a manifest no longer asks for, and the pictures too if ``delete``; buys nothing.

    A name stays while the request that takes its place has no picture. Names come back by themselves when they are
    asked for again. Send nothing but a look-up of the catalogue. Raise :class:`UsageError`, :class:`FolderInUse` and
    :class:`StoppedEarly` if the disk fails.
    """
    loaded = manifest_of(manifest)
    plan = planned(loaded, notice)
    run_folder = existing_folder(folder_of(loaded, folder))
    with run_folder.opened(), open_bucket(loaded.output.pictures, run_folder) as bucket:
        if (moved := claim(plan, run_folder)) and notice:
            notice(moved)
        pruned = wait_for(_pruned, run_folder, plan, delete, bucket)
        if pruned.changed:
            write_derived(run_folder)
        if pruned.changed and bucket:
            _publish(bucket, run_folder)
    return pruned


def _publish(bucket: BucketSession, folder: RunFolder) -> None:
    try:
        bucket.publish(folder.root / name for name in DERIVED)
    except BucketFailed as error:
        raise StoppedEarly(f"{error}; the next run puts the lists there") from error


async def _pruned(
    folder: RunFolder,
    plan: Plan,
    delete: bool,  # noqa: FBT001 - `wait_for` passes no names
    bucket: BucketSession | None,
) -> Pruned:
    try:
        async with open_ledger(folder.ledger, provider=plan.manifest.provider.kind) as ledger:
            with (
                closing(Reader(folder.ledger)) as reader,
                closing(PlanDiff(folder.ledger, plan.outline.numbers)) as diff,
            ):
                await sync(plan, ledger, reader, diff)
                opened = open_stems(plan, diff)
                found = await anyio.to_thread.run_sync(orphans.orphan_names, diff, opened)
                told = await anyio.to_thread.run_sync(orphans.told, diff, opened)
                pruned = await orphans.prune(ledger, found)
                withdrawn = await orphans.withdraw(ledger, diff)
                await relink(view_of(folder, reader.db), folder, ledger, reader, opened=opened)
                count, freed = await orphans.discard(folder, ledger, diff, bucket) if delete else (0, 0)
                return Pruned(folder.root, told, pruned, withdrawn, count, freed)
    except OSError as error:
        raise StoppedEarly(f"the disk of {folder.root} gave an error: {error}; the same command goes on") from error
