"""What a caller may say of a run beyond its manifest."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.manifest import Limits, Shard
from batchgen.running.schedule.selection import Selection
from batchgen.running.schedule.stop_rules import Bounds, deadline_at


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run beyond its manifest. ``confirmed`` lifts the limit of an unconfirmed run.

    Bounds and a night's budget stand above the manifest's: see :func:`within`. ``night_microusd`` bounds what one night
    may cost. ``again`` are words for stored requests of which another picture is to be bought. ``prune`` takes away the
    names of what the manifest no longer asks for, once the run has come to the end of its whole plan. Nothing is sent
    while less than ``min_free_bytes`` are free on the folder's disk; ``None`` is what ``BATCHGEN_MIN_FREE_MB`` says, or
    the rule of :class:`Room`. ``spill`` is a folder on another disk for paid pictures that the folder's own one can't
    take. With ``waits_for_budget`` a budget that is used up ends nothing: a person may raise it meanwhile.
    ``force_unlock`` names a dead machine that still claims the folder.
    """

    selection: Selection = field(default_factory=Selection)
    again: tuple[str, ...] = ()
    strict: bool = False
    confirmed: bool = False
    bounds: Bounds = field(default_factory=Bounds)
    night_microusd: int | None = None
    prune: bool = False
    min_free_bytes: int | None = None
    spill: Path | None = None
    waits_for_budget: bool = False
    force_unlock: str | None = None


def within(limits: Limits, options: Options, shard: Shard | None = None) -> Options:
    """Return ``options``, with the manifest's own ``limits`` if the caller gave none.

    The caller's budget of a night is for all shards; the ``limits`` are those of the ``shard``.
    """
    bounds = options.bounds
    night_microusd = options.night_microusd
    if night_microusd is not None and shard is not None:
        night_microusd = shard.part_of(night_microusd)
    deadline = bounds.deadline or (deadline_at(limits.deadline) if limits.deadline else None)
    return replace(
        options,
        bounds=replace(bounds, deadline=deadline, max_failures=bounds.max_failures or limits.max_failures),
        night_microusd=limits.night_microusd if night_microusd is None else night_microusd,
    )


def min_free_bytes(options: Options) -> int | None:
    """Return what the caller said, or else the environment. Raise :class:`UsageError`."""
    stated = os.environ.get("BATCHGEN_MIN_FREE_MB", "")
    if options.min_free_bytes is not None or not stated:
        return options.min_free_bytes
    if not (stated.isascii() and stated.isdigit()):
        raise UsageError(f"BATCHGEN_MIN_FREE_MB is {stated!r}; it is a whole number of megabytes, such as 256")
    return int(stated) << 20
