"""Why requests of a manifest would be sent or not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from batchgen.commands.job import folder_of, manifest_of, planned
from batchgen.manifest import Manifest
from batchgen.planning.explaining import explain_one, pick
from batchgen.planning.own_part import own_part
from batchgen.planning.reasons import Explained
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.nearest_bought import Relatives, all_bought
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.takes import Take, takes_by_key


@dataclass(frozen=True, slots=True)
class ExplainedTakes:
    """A request of the plan with its reason, and the takes of it that are stored."""

    explained: Explained
    takes: tuple[Take, ...] = ()


def explain(
    manifest: Manifest | str | Path,
    wanted: str,
    *,
    folder: str | Path | None = None,
    notice: Callable[[str], None] | None = None,
) -> tuple[ExplainedTakes, ...]:
    """Return why requests would be sent or not: those of a row's number, or the one whose key begins with ``wanted``.

    A new request is compared with everything the folder ever bought. Send nothing but a look-up of the catalogue, by
    which aliases and videos are told; ``notice`` hears if an old copy of it, or none, has to do. Raise
    :class:`~batchgen.errors.UsageError` if nothing, or more than one key, is meant.
    """
    loaded = manifest_of(manifest)
    plan = planned(loaded, notice)
    run_folder = RunFolder(folder_of(loaded, folder))
    picked = own_part(pick(plan.whole(), wanted), loaded.shard, wanted.strip())
    if not run_folder.exists:
        return tuple(ExplainedTakes(explain_one(one, None, (), ())) for one in picked)
    with closing(PlanDiff(run_folder.ledger, plan.outline.numbers)) as diff:
        states = diff.states([one.key for one in picked])
        relatives = Relatives(diff)
        takes = takes_by_key(diff.db, [one.key for one in picked])
        return tuple(
            ExplainedTakes(
                explain_one(one, states.get(one.key), relatives.of(one), all_bought(diff)), takes.get(one.key, ())
            )
            for one in picked
        )
