"""A run folder belongs to the manifest that made it: another one would take its pictures' names away."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path

from batchgen.errors import FolderMismatch
from batchgen.manifest import Manifest
from batchgen.manifest.row_files import STDIN
from batchgen.planning.plan import Plan
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.made_by import MadeBy, owner_in
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.schema import reading
from batchgen.wording import printable


def claim(plan: Plan, folder: RunFolder) -> str | None:
    """Return what to say if the manifest that ``folder`` belongs to has moved; ``None`` if it has not.

    Raise :class:`FolderMismatch` if the folder belongs to another part of the plan, or to another manifest: the
    recorded one still exists as another file, or it is gone and the plan asks for nothing that the folder knows.
    """
    if not folder.exists:
        return None
    with closing(PlanDiff(folder.ledger, plan.outline.numbers)) as diff:
        with reading(folder.ledger):
            owner = owner_in(diff.db)
        if owner is None:
            return None
        if owner.shard != str(plan.manifest.shard or ""):
            raise FolderMismatch(_other_part(plan.manifest, owner, folder))
        if _is_one_of(plan.manifest.source, owner, folder.root):
            return None
        before = _shown(owner.seen_from(folder.root)[0])
        if _takes_over(plan.manifest, owner, folder.root) and diff.knows_any_of_plan:
            now = _shown(plan.manifest.source)
            return None if now == before else f"{folder.root}: the run of {before} goes on as that of {now}"
    raise FolderMismatch(_refusal(plan.manifest, before, folder))


def foreign_owner(plan: Plan, folder: RunFolder) -> str | None:
    """Return why a run of ``plan`` will not begin in ``folder``, or that it goes on there under another manifest."""
    try:
        return claim(plan, folder)
    except FolderMismatch as error:
        return f"a run would be refused: {error}"


def _other_part(manifest: Manifest, owner: MadeBy, folder: RunFolder) -> str:
    name = printable(str(folder.root))
    holds = f"shard {printable(owner.shard)}" if owner.shard else "a whole plan"
    asked = f"shard {manifest.shard}" if manifest.shard else "the whole plan"
    return (
        f"{name} holds {holds}, and this is {asked}. Nothing was bought, moved or renamed. Leave out --out, and each "
        f"shard has a folder of its own; `reuse: [{name}]` takes what both ask for"
    )


def _is_one_of(source: Path, owner: MadeBy, root: Path) -> bool:
    return source != STDIN and any(_same_file(source, place) for place in owner.seen_from(root))


def _takes_over(manifest: Manifest, owner: MadeBy, root: Path) -> bool:
    """Return whether the manifest may be the recorded one in a new place, or stands above the recorded rows now."""
    recorded = owner.seen_from(root)[0]
    rows = getattr(manifest.rows, "path", None)
    piped = STDIN.name in (manifest.source.name, recorded.name)
    return piped or not recorded.exists() or (isinstance(rows, Path) and _same_file(rows, recorded))


def _refusal(manifest: Manifest, before: str, folder: RunFolder) -> str:
    name, source = printable(str(folder.root)), _shown(manifest.source)
    return (
        f"{name} holds the run of {before}, and {source} is another manifest. Nothing was bought, moved or renamed. "
        f"Give this one a folder of its own with --out, `name:` or --name; `reuse: [{name}]` takes what both ask for"
    )


def _same_file(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return one.absolute() == other.absolute()


def _shown(path: Path) -> str:
    """Return a path as seen from the current folder, if it lies below that; a pipe lies nowhere."""
    if path.name == STDIN.name:
        return "stdin"
    near = os.path.relpath(path)
    return printable(str(path) if near.startswith("..") and path.is_absolute() else near)
