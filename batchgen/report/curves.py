"""The numbers behind the page's lines: distributions, and the course of the runs over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from batchgen.report.frame import MONEY, UNKNOWN, Integers
from batchgen.report.lists import RunEntry
from batchgen.request import State

# More lines than this can't be told apart on a chart.
_LINES = 8
_PERCENT = np.arange(0, 101)
_BINS = 60


@dataclass(frozen=True, slots=True)
class Distribution:
    """The percentiles of a group's pictures, from 0 to 100: 101 measured values (nearest rank)."""

    name: str
    values: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Course:
    """The course of all runs over their ``working_ms``, without the time between them, in equal steps.

    ``pictures`` were bought in each step; the sums of money are what was spent up to its end. ``starts`` are the
    starts of the runs, from 0 to 1.
    """

    working_ms: int
    pictures: tuple[int, ...]
    billed_microusd: tuple[int, ...]
    maybe_microusd: tuple[int, ...]
    estimated_microusd: tuple[int, ...]
    starts: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    latency: tuple[Distribution, ...]
    cost: tuple[Distribution, ...]
    course: Course | None


def read_curves(frame: pd.DataFrame, models: Sequence[str], runs: Sequence[RunEntry]) -> Curves:
    """Return the curves of the first few ``models``: the service's latency, and the cost of paid requests."""
    stored = (frame["state"] == State.STORED).to_numpy() & (frame["reused"] == 0).to_numpy()
    latency = np.where(stored, frame["latency_ms"].to_numpy(), UNKNOWN)
    spent = (frame["billed_microusd"] + frame["estimated_microusd"]).to_numpy()
    cost = np.where(stored & (spent > 0), spent, UNKNOWN)
    return Curves(_distributions(frame, models, latency), _distributions(frame, models, cost), _course(frame, runs))


def _distributions(frame: pd.DataFrame, models: Sequence[str], values: Integers) -> tuple[Distribution, ...]:
    categories = {name: code for code, name in enumerate(frame["model"].cat.categories)}
    codes = frame["model"].cat.codes.to_numpy()
    found = []
    for name in models[:_LINES]:
        known = values[(codes == categories[name]) & (values != UNKNOWN)]
        if len(known):
            # Nearest rank, as in the tables: each percentile is a value that was measured.
            places = np.maximum(-(-len(known) * _PERCENT // 100) - 1, 0)
            found.append(Distribution(name, tuple(np.partition(known, np.unique(places))[places].tolist())))
    return tuple(found)


def _course(frame: pd.DataFrame, runs: Sequence[RunEntry]) -> Course | None:
    working = [run for run in runs if run.attempts and run.active_ms]
    if not working or frame.empty:
        return None
    starts = np.array([run.started_ms for run in working], dtype=np.int64)
    lengths = np.array([run.active_ms for run in working], dtype=np.int64)
    before = np.cumsum(lengths) - lengths
    total = int(lengths.sum())
    ended = frame["known_ms"].to_numpy()
    run = np.clip(np.searchsorted(starts, ended, side="right") - 1, 0, None)
    worked = before[run] + np.clip(ended - starts[run], 0, lengths[run])
    places = np.minimum(worked * _BINS // total, _BINS - 1)
    bought = (frame["pictures"] * (1 - frame["reused"])).to_numpy()
    billed, maybe, estimated = (np.cumsum(_steps(places, frame[name].to_numpy())).tolist() for name in MONEY)
    starts_at = tuple((before / total).tolist())
    return Course(total, _steps(places, bought), tuple(billed), tuple(maybe), tuple(estimated), starts_at)


def _steps(places: Integers, amounts: Integers) -> tuple[int, ...]:
    sums = np.zeros(_BINS, dtype=np.int64)
    np.add.at(sums, places, amounts)
    return tuple(sums.tolist())
