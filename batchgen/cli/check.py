"""``batchgen check``: every mistake of a manifest at once, without any network."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING

from batchgen.cli.shared_options import Job, JobOptions, with_job_options
from batchgen.errors import ManifestError, Problem, Together

if TYPE_CHECKING:
    from batchgen.manifest import Manifest
    from batchgen.planning.plan import Plan, Watch


@with_job_options
def check(
    job: Job,
    *,
    options: JobOptions,
) -> None:
    """Find every mistake in a manifest, with its line; uses no network."""
    from batchgen.cli.console import say
    from batchgen.cli.plan_reading import reading_plan
    from batchgen.wording import counted

    manifest = options.read(job)
    together = Together()
    together.each(_check_simulator, manifest)
    with reading_plan() as watch:
        plan = together.each(partial(_plan, watch=watch), manifest)
    together.refuse()
    assert plan is not None
    for warning in plan.warnings:
        say(f"warning: {warning}")
    if plan.counts is not None:
        say(
            "note: so many combinations are counted and their values checked; "
            "`run` makes each of them before anything is sent"
        )
    counts = {model: count for model, count in plan.count_by_model().items() if count}
    requests, models = counted(sum(counts.values()), "request"), counted(len(counts), "model")
    part = f" in shard {manifest.shard}" if manifest.shard else ""
    sys.stdout.write(f"{job}: no mistakes; {requests} to {models}{part}\n")


def _plan(manifest: Manifest, watch: Watch | None) -> Plan:
    from batchgen.commands.input_memory import input_files
    from batchgen.planning.plan import make_plan

    return make_plan(manifest, count_only=True, watch=watch, files=input_files(manifest, listen=_listen))


def _listen(done: int, wanted: int) -> None:
    from batchgen.cli.console import show_count

    show_count("masks decoded", done, wanted)


def _check_simulator(manifest: Manifest) -> None:
    """Raise :class:`ManifestError` for settings that no simulator has."""
    if manifest.provider.kind != "simulator":
        return
    import msgspec

    from batchgen.simulator.settings import BadSettings, settings_from_json

    try:
        settings_from_json(msgspec.json.encode(manifest.provider.simulator))
    except BadSettings as error:
        place = manifest.places.get(("provider", "simulator"), str(manifest.source))
        raise ManifestError([Problem(f"provider.simulator: {error}", place)]) from None
