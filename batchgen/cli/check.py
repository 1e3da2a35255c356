"""``batchgen check``: every mistake of a manifest at once, without any network."""

from __future__ import annotations

import sys

from batchgen.cli.options import Job, JobOptions, with_job_options


@with_job_options
def check(
    job: Job,
    *,
    options: JobOptions,
) -> None:
    """Find every mistake in a manifest, with its line; sends nothing and asks nobody."""
    from batchgen.cli.saying import say
    from batchgen.plan.plan import make_plan

    plan = make_plan(options.read(job))
    for warning in plan.warnings:
        say(f"warning: {warning}")
    counts = {model: count for model, count in plan.count_by_model().items() if count}
    requests, models = _counted(sum(counts.values()), "request"), _counted(len(counts), "model")
    sys.stdout.write(f"{job}: no mistakes; {requests} to {models}\n")


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
