"""``batchgen check``: every mistake of a manifest at once, without any network."""

from __future__ import annotations

import sys

from batchgen.cli.options import (
    Budget,
    Concurrency,
    Job,
    Model,
    Prompt,
    Provider,
    Quality,
    Repeat,
    Set,
    Size,
    read_manifest,
)


def check(
    job: Job,
    *,
    model: Model = None,
    size: Size = None,
    quality: Quality = None,
    settings: Set = None,
    prompt: Prompt = None,
    repeat: Repeat = None,
    provider: Provider = None,
    budget: Budget = None,
    concurrency: Concurrency = None,
) -> None:
    """Find every mistake in a manifest, with its line; sends nothing and asks nobody."""
    from batchgen.plan.plan import make_plan

    manifest = read_manifest(
        job,
        model=model,
        size=size,
        quality=quality,
        settings=settings,
        prompt=prompt,
        repeat=repeat,
        budget=budget,
        concurrency=concurrency,
        provider=provider,
    )
    counts = make_plan(manifest).count_by_model()
    total = sum(counts.values())
    sys.stdout.write(f"{job}: no mistakes; {total:,} requests to {len(counts)} models\n")
