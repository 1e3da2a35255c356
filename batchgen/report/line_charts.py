"""Charts of lines and columns as points of a square of 100 by 100, which the page's template stretches to its width.

Drawn without a library for the reasons given in :mod:`batchgen.report.charts`: one that draws in the page adds one to
five megabytes to every report, and one that draws beforehand fixes colours and labels in the picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from batchgen.report import figures
from batchgen.report.charts import Tick, axis, seconds
from batchgen.report.curves import Course, Distribution

# Above this ratio of the highest value to the lowest, a linear axis shows nothing of the low ones.
_WIDE = 30


@dataclass(frozen=True, slots=True)
class Line:
    """A line as the ``points`` of an SVG polyline; ``label`` says in words what it shows."""

    name: str
    points: str
    label: str


@dataclass(frozen=True, slots=True)
class LineChart:
    """The ticks of both axes are ``x`` and ``y``; ``marks`` are positions on the first to be marked."""

    lines: tuple[Line, ...]
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    note: str = ""
    marks: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of equal width: their heights in percent, from the left."""

    heights: tuple[float, ...]
    x: tuple[Tick, ...]
    y: tuple[Tick, ...]
    label: str
    marks: tuple[float, ...] = ()


def latency_lines(distributions: Sequence[Distribution]) -> LineChart | None:
    """Return the cumulative distribution of each model's latency; ``None`` if no latency is known."""
    return _cumulative(distributions, seconds, figures.span)


def cost_lines(distributions: Sequence[Distribution]) -> LineChart | None:
    """Return the cumulative distribution of each model's cost; ``None`` if each has one price or none."""
    if all(one.values[0] == one.values[-1] for one in distributions):
        return None
    return _cumulative(distributions, figures.short_amount, figures.near)


def spending(course: Course | None) -> LineChart | None:
    """Return the three sums over time, without those that stayed at 0; ``None`` if nothing was spent."""
    if course is None:
        return None
    sums = {
        "billed": course.billed_microusd,
        "estimated": course.estimated_microusd,
        "maybe billed": course.maybe_microusd,
    }
    grown = {name: steps for name, steps in sums.items() if steps[-1]}
    if not grown:
        return None
    ticks, end = axis(max(steps[-1] for steps in grown.values()), figures.short_amount)
    lines = tuple(
        Line(name, _points(enumerate((0, *steps)), len(steps), end), f"{figures.near(steps[-1])} {name} in the end")
        for name, steps in grown.items()
    )
    return LineChart(lines, _time(course), _upright(ticks), marks=_marks(course))


def speed(course: Course | None) -> Columns | None:
    """Return pictures a minute over the course of the runs; ``None`` if none was bought."""
    if course is None or not any(course.pictures):
        return None
    minutes = course.working_ms / len(course.pictures) / 60_000
    rates = [count / minutes for count in course.pictures]
    ticks, end = axis(max(rates), lambda rate: f"{rate:,g}")
    label = f"at most {figures.rate(max(rates))} a minute, {figures.rate(sum(rates) / len(rates))} on average"
    heights = tuple(round(100 * rate / end, 2) for rate in rates)
    return Columns(heights, _time(course), _upright(ticks), label, _marks(course))


def _cumulative(
    distributions: Sequence[Distribution], short: Callable[[int], str], full: Callable[[int], str]
) -> LineChart | None:
    if not distributions:
        return None
    lowest = max(1, min(one.values[0] for one in distributions))
    highest = max(one.values[-1] for one in distributions)
    wide = highest > _WIDE * lowest
    place, ticks = _powers(lowest, highest, short) if wide else _even(highest, short)
    lines = tuple(
        Line(
            one.name,
            " ".join(f"{place(value):g},{100 - percent}" for percent, value in enumerate(one.values)),
            f"half within {full(one.values[50])}, all within {full(one.values[100])}",
        )
        for one in distributions
    )
    shares = tuple(Tick(100 - percent, f"{percent} %") for percent in (0, 25, 50, 75, 100))
    return LineChart(lines, ticks, shares, "from one label to the next is ten times as much" if wide else "")


def _even(highest: int, short: Callable[[int], str]) -> tuple[Callable[[int], float], tuple[Tick, ...]]:
    ticks, end = axis(max(highest, 1), short)
    return lambda value: round(100 * value / end, 2), ticks


def _powers(lowest: int, highest: int, short: Callable[[int], str]) -> tuple[Callable[[int], float], tuple[Tick, ...]]:
    length = math.log10(highest / lowest)

    def place(value: int) -> float:
        return round(100 * math.log10(max(value, lowest) / lowest) / length, 2)

    powers = range(math.ceil(math.log10(lowest)), math.floor(math.log10(highest)) + 1)
    return place, tuple(Tick(place(10**power), short(10**power)) for power in powers)


def _points(steps: enumerate[int], last: int, end: float) -> str:
    return " ".join(f"{100 * place / last:g},{100 - 100 * value / end:g}" for place, value in steps)


def _time(course: Course) -> tuple[Tick, ...]:
    """Return ticks at the quarters of the working time."""
    return tuple(Tick(percent, figures.span(round(course.working_ms * percent / 100))) for percent in (0, 50, 100))


def _marks(course: Course) -> tuple[float, ...]:
    """Return where runs began, but for the first; none if there are so many that they would hide the chart."""
    starts = course.starts[1:]
    return tuple(round(100 * start, 2) for start in starts) if len(starts) <= 40 else ()


def _upright(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    return tuple(Tick(100 - tick.at, tick.label) for tick in ticks)
