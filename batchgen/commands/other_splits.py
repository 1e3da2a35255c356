"""Run folders in which the same plan was bought in other parts: a new number of shards must not buy it again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from batchgen.commands.job import folder_of
from batchgen.errors import UsageError
from batchgen.planning.plan import Plan
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.pictures.other_folders import folders_named
from batchgen.wording import counted, printable

# So many of the folders are named; a pattern stands for the others.
_NAMED = 3


def refuse_other_splits(plan: Plan, folder: RunFolder) -> None:
    """Raise :class:`UsageError` if folders beside a default one hold what ``plan`` asks for, split in another way.

    Folders under ``reuse:`` are no trouble, and whoever names a folder with --out knows of the others.
    """
    if found := list(_others(plan, folder)):
        more = f" and {counted(len(found) - _NAMED, 'more folder')}" if len(found) > _NAMED else ""
        hold = "hold" if len(found) > 1 else "holds"
        patterns = ", ".join(dict.fromkeys(_pattern(one) for one in found))
        raise UsageError(
            f"{', '.join(printable(str(one)) for one in found[:_NAMED])}{more} {hold} pictures of this plan, split in "
            f"another way, and they would be bought again. Nothing was sent. Link them with `reuse: [{patterns}]` in "
            "the manifest, or name a folder with --out"
        )


def told_other_splits(plan: Plan, folder: RunFolder) -> str | None:
    """Return that a run of ``plan`` would be refused because of other splits; ``None`` if it would not."""
    try:
        refuse_other_splits(plan, folder)
    except UsageError as error:
        return f"a run would be refused: {error}"
    return None


def _others(plan: Plan, folder: RunFolder) -> Iterator[Path]:
    manifest = plan.manifest
    whole = folder_of(replace(manifest, shard=None))
    if folder.root != folder_of(manifest) or not whole.parent.is_dir():
        return
    reused = {path.resolve() for name in manifest.reuse for path in _named(name)}
    own = "" if manifest.shard is None else f"{manifest.shard.count}"
    for path in sorted(whole.parent.iterdir()):
        split = _split_of(path, whole)
        if split is None or split == own or path.resolve() in reused:
            continue
        other = RunFolder(path)
        if other.exists:
            with closing(PlanDiff(other.ledger, plan.outline.numbers)) as diff:
                if diff.knows_any_of_plan:
                    yield path


def _named(name: str) -> Sequence[Path]:
    try:
        return folders_named(name)
    except UsageError:
        # Whoever opens the folders says so, with all other mistakes of `reuse:`.
        return ()


def _split_of(path: Path, whole: Path) -> str | None:
    """Return the number of shards by the name of a folder, empty for the whole plan's; ``None`` for any other name."""
    if path == whole:
        return ""
    parts = re.fullmatch(re.escape(whole.name) + r"-[0-9]{1,5}-of-([0-9]{1,5})", path.name)
    return parts[1] if parts else None


def _pattern(path: Path) -> str:
    """Return the pattern of all shards of a split."""
    return str(path.with_name(re.sub(r"-[0-9]{1,5}(-of-[0-9]{1,5})$", r"-*\1", path.name)))
