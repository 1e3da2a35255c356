"""summary.json: what a nightly job or a script needs to know about a run folder, in one small file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from batchgen.html_view import paragraph, table, view
from batchgen.money import usd
from batchgen.report import figures
from batchgen.report.lists import ErrorClass, RunEntry, active_ms
from batchgen.report.tables import Group, Percentiles
from batchgen.request import State
from batchgen.store.ledger.records import timestamp
from batchgen.store.ledger.run_counts import RunCounts, shown_counts
from batchgen.store.looks.flags import Checks
from batchgen.wording import counted

# Raised when a field changes its meaning or is removed; new fields may be added at any time.
SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Counts, money and times of a group of requests. The ``*_usd`` fields repeat ``*_microusd`` for readers.

    ``cost_sources`` and ``latency_sources`` count pictures by where their cost and latency come from.
    """

    requests: int
    pictures: int
    films: int
    reused: int
    states: Mapping[str, int]
    success_rate: float | None
    attempts: int
    retries: int
    billed_microusd: int
    billed_usd: float
    maybe_billed_microusd: int
    maybe_billed_usd: float
    estimated_microusd: int
    estimated_usd: float
    billed_per_picture_usd: float | None
    estimated_per_picture_usd: float | None
    cost_sources: Mapping[str, int]
    input_tokens: int
    output_tokens: int
    billed_per_second_usd: float | None
    latency_ms: Percentiles | None
    latency_sources: Mapping[str, int]
    item_ms: Percentiles | None
    pictures_per_minute: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFigures(Figures):
    """The figures of one model."""

    model: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The newest run: what its own attempts cost, and what came of it.

    Its end, exit code and reason, and the counts, are ``None`` during the run, or if it was killed.
    """

    started_at: str | None
    ended_at: str | None
    planned: int
    exit_code: int | None
    reason: str | None
    attempts: int
    billed_usd: float
    maybe_billed_usd: float
    estimated_usd: float
    bought: int | None
    kept: int | None
    reused: int | None
    renamed: int | None
    restored: int | None
    pruned: int | None
    failed: int | None
    left: int | None
    missing: int | None
    success_rate: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFigures:
    """How many pictures are flagged, and how many with each flag; ``unseen`` pictures were not looked at yet."""

    flagged: int
    unseen: int
    flags: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary(Figures):
    """The figures of a run folder. Times of day are ISO 8601 in UTC; ``active_s`` leaves out the time between runs.

    ``orphans`` are the stored requests that the manifest no longer asked for when it was last read as a whole, ``kept``
    of them until their replacements are stored, and ``withdrawn`` those without a picture; no other count has these.
    ``unread`` answers are kept in which no picture is known. ``deleted`` names were deleted by hand. ``mark`` is that
    of the last run which ended in order: batchgen's own.
    """

    schema: int
    name: str
    simulated: bool
    started_at: str | None
    ended_at: str | None
    active_s: float
    runs: int
    last_run: LastRun | None
    orphans: Mapping[str, Any] | None
    withdrawn: int
    unread: int
    deleted: int
    mark: str | None
    checks: CheckFigures
    models: Sequence[ModelFigures]
    errors: Sequence[ErrorClass]

    def to_json(self) -> bytes:
        """Return the content of summary.json."""
        fields: dict[str, Any] = msgspec.to_builtins(self)
        heading = {name: fields.pop(name) for name in ("schema", "name", "simulated")}
        return msgspec.json.format(msgspec.json.encode(heading | fields), indent=2) + b"\n"

    def _repr_html_(self) -> str:
        states = ", ".join(f"{count:,} {state}" for state, count in self.states.items() if count)
        money = [
            f"{figures.amount(amount)} {word}"
            for amount, word in (
                (self.billed_microusd, "billed"),
                (self.maybe_billed_microusd, "maybe billed"),
                (self.estimated_microusd, "estimated"),
            )
            if amount or word == "billed"
        ]
        return view(
            f"{self.name}: {counted(self.requests, 'request')}, {counted(self.pictures, 'picture')}",
            paragraph("; ".join(filter(None, (states, ", ".join(money))))),
            *([paragraph(figures.SIMULATED)] if self.simulated else []),
            table(
                ("model", "stored", "success", "billed", "maybe billed", "estimated", "p50", "p95"),
                map(_shown, self.models),
            ),
        )


def _shown(one: ModelFigures) -> tuple[str, ...]:
    latency = one.latency_ms
    return (
        one.model,
        f"{one.states.get(State.STORED, 0):,}/{one.requests:,}",
        figures.share(one.success_rate),
        figures.amount(one.billed_microusd),
        figures.amount(one.maybe_billed_microusd),
        figures.amount(one.estimated_microusd),
        figures.span(latency.p50 if latency else None),
        figures.span(latency.p95 if latency else None),
    )


def summary_of(
    name: str,
    *,
    simulated: bool,
    total: Group,
    models: Sequence[Group],
    runs: Sequence[RunEntry],
    errors: Sequence[ErrorClass],
    orphans: Mapping[str, Any] | None = None,
    withdrawn: int = 0,
    unread: int = 0,
    deleted: int = 0,
    mark: str | None = None,
    counts: RunCounts | None = None,
    checks: Checks,
) -> Summary:
    """Return the summary of the run folder ``name``."""
    last = runs[-1] if runs else None
    return Summary(
        **_figures(total),
        schema=SCHEMA,
        name=name,
        simulated=simulated,
        started_at=timestamp(runs[0].started_ms) if runs else None,
        ended_at=timestamp(last.ended_ms) if last else None,
        active_s=active_ms(runs) / 1000,
        runs=len(runs),
        last_run=_last_run(last, counts) if last else None,
        orphans=orphans,
        withdrawn=withdrawn,
        unread=unread,
        deleted=deleted,
        mark=mark,
        checks=CheckFigures(flagged=len(checks.flags), unseen=checks.unseen, flags=checks.counts),
        models=[ModelFigures(model=group.name, **_figures(group)) for group in models],
        errors=errors,
    )


def _last_run(run: RunEntry, counts: RunCounts | None) -> LastRun:
    return LastRun(
        started_at=timestamp(run.started_ms),
        ended_at=timestamp(run.ended_ms),
        planned=run.planned,
        exit_code=run.exit_code,
        reason=run.reason,
        attempts=run.attempts,
        billed_usd=usd(run.billed_microusd),
        maybe_billed_usd=usd(run.maybe_microusd),
        estimated_usd=usd(run.estimated_microusd),
        **shown_counts(counts),
    )


def _figures(group: Group) -> dict[str, Any]:
    per_picture, per_second = group.billed_per_picture_microusd, group.billed_per_second_microusd
    estimated = group.estimated_per_picture_microusd
    return {
        "requests": group.requests,
        "pictures": group.pictures,
        "films": group.films,
        "reused": group.reused,
        "states": {state.value: count for state, count in group.states.items()},
        "success_rate": group.success_rate,
        "attempts": group.attempts,
        "retries": group.retries,
        "billed_microusd": group.billed_microusd,
        "billed_usd": usd(group.billed_microusd),
        "maybe_billed_microusd": group.maybe_microusd,
        "maybe_billed_usd": usd(group.maybe_microusd),
        "estimated_microusd": group.estimated_microusd,
        "estimated_usd": usd(group.estimated_microusd),
        "billed_per_picture_usd": None if per_picture is None else usd(per_picture),
        "estimated_per_picture_usd": None if estimated is None else usd(estimated),
        "cost_sources": group.cost_sources,
        "input_tokens": group.input_tokens,
        "output_tokens": group.output_tokens,
        "billed_per_second_usd": None if per_second is None else usd(per_second),
        "latency_ms": group.latency,
        "latency_sources": group.latency_sources,
        "item_ms": group.item,
        "pictures_per_minute": group.pictures_per_minute,
    }
