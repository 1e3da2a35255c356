"""Charts as positions in percent, which the page's template draws as SVG that scales with the page.

Drawn without a plotting library, so that labels stay text of the page: they follow its colours, wrap on a phone and can
be read aloud, and a report loads nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batchgen.report import figures
from batchgen.report.tables import Group

# More bars than this can't be read; the tables have every group.
_BARS = 24


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on an axis, in percent of its length."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """The three sums of a group side by side, each a start and a width in percent; ``label`` says them in words."""

    name: str
    billed: float
    estimated: float
    maybe: float
    label: str


@dataclass(frozen=True, slots=True)
class Strip:
    """The latency of a group's pictures: four percentiles as positions in percent; ``label`` says them in words."""

    name: str
    p50: float
    p90: float
    p95: float
    p99: float
    label: str


@dataclass(frozen=True, slots=True)
class CostChart:
    bars: tuple[Bar, ...]
    ticks: tuple[Tick, ...]


@dataclass(frozen=True, slots=True)
class LatencyChart:
    strips: tuple[Strip, ...]
    ticks: tuple[Tick, ...]


def cost_chart(groups: Sequence[Group]) -> CostChart | None:
    """Return what each group cost; ``None`` if nothing did."""
    shown = groups[:_BARS]
    longest = max((_spent(group) for group in shown), default=0)
    if not longest:
        return None
    ticks, end = axis(longest, figures.short_amount)
    return CostChart(tuple(_bar(group, end) for group in shown), ticks)


def latency_chart(groups: Sequence[Group]) -> LatencyChart | None:
    """Return the latency of each group, stated or measured; ``None`` if none is known."""
    timed = [group for group in groups[:_BARS] if group.latency]
    longest = max((group.latency.p99 for group in timed if group.latency), default=0)
    if not longest:
        return None
    ticks, end = axis(longest, seconds)
    return LatencyChart(tuple(_strip(group, end) for group in timed), ticks)


def axis(longest: float, label: Callable[[int], str]) -> tuple[tuple[Tick, ...], float]:
    """Return about four round ticks from 0 on, and the end of the axis: the longest value, or the last tick past it."""
    step = _round_step(longest / 4)
    end = step * math.ceil(longest / step)
    count = round(end / step)
    return tuple(Tick(_percent(step * number, end), label(round(step * number))) for number in range(count + 1)), end


def seconds(milliseconds: int) -> str:
    """Return a time for the axis of a chart."""
    return f"{milliseconds / 1000:g} s"


def _bar(group: Group, end: float) -> Bar:
    parts = [figures.near(group.billed_microusd) + " billed"]
    if group.estimated_microusd:
        parts.append(figures.near(group.estimated_microusd) + " estimated")
    if group.maybe_microusd:
        parts.append(figures.near(group.maybe_microusd) + " maybe billed")
    return Bar(
        group.name,
        _percent(group.billed_microusd, end),
        _percent(group.estimated_microusd, end),
        _percent(group.maybe_microusd, end),
        ", ".join(parts),
    )


def _strip(group: Group, end: float) -> Strip:
    latency = group.latency
    assert latency is not None
    return Strip(
        group.name,
        _percent(latency.p50, end),
        _percent(latency.p90, end),
        _percent(latency.p95, end),
        _percent(latency.p99, end),
        f"p50 {figures.span(latency.p50)}, p90 {figures.span(latency.p90)}, p99 {figures.span(latency.p99)}",
    )


def _round_step(least: float) -> float:
    """Return the smallest of 1, 2, 5 times a power of ten that is at least ``least``."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)


def _spent(group: Group) -> int:
    return group.billed_microusd + group.estimated_microusd + group.maybe_microusd


def _percent(value: float, end: float) -> float:
    return round(100 * value / end, 2)
