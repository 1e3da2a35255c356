"""A manifest as one of its shards runs it: with the shard's part of every limit that all shards have together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from batchgen.manifest.model import Limits, Manifest
from batchgen.manifest.scalars import Rate
from batchgen.manifest.shard import Shard


def part_of(manifest: Manifest, shard: Shard) -> Manifest:
    """Return the ``shard`` of a manifest."""
    risk = manifest.retry.risk_microusd
    return replace(
        manifest,
        shard=shard,
        limits=_limits(manifest.limits, shard),
        retry=replace(manifest.retry, risk_microusd=None if risk is None else shard.part_of(risk)),
    )


def folder_beside(whole: Path, shard: Shard) -> Path:
    """Return the shard's run folder, beside that of the ``whole`` plan: ``outputs/mugs-0-of-4``."""
    end = f"{shard.index}-of-{shard.count}"
    # The current folder has no name of its own to put an end to.
    return whole.with_name(f"{whole.name}-{end}") if whole.name else whole / end


def _limits(limits: Limits, shard: Shard) -> Limits:
    budget, night = limits.budget_microusd, limits.night_microusd
    return replace(
        limits,
        rate=_rate(limits.rate, shard),
        budget_microusd=None if budget is None else shard.part_of(budget),
        night_microusd=None if night is None else shard.part_of(night),
        lanes=tuple(replace(lane, rate=_rate(lane.rate, shard)) for lane in limits.lanes),
    )


def _rate(rate: Rate | None, shard: Shard) -> Rate | None:
    return None if rate is None else replace(rate, count=rate.count / shard.count)
