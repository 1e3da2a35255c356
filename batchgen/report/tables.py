"""Counts, costs and times of requests by group: pure functions from the frame of a ledger to rows of a table."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from batchgen.report.frame import MONEY, TOKENS, UNKNOWN, Integers, summed
from batchgen.request import State
from batchgen.store.ledger.transitions import STATED

# Ordered for readers: what is stored, what is still to come, what failed.
STATES = (
    State.STORED,
    State.ANSWERED,
    State.SENT,
    State.WAITING,
    State.REFUSED,
    State.SPOILED,
    State.DOUBT,
)
# The code of a state in the frame's category column.
_PLACES = {state: place for place, state in enumerate(State)}

_ENDED = (State.STORED, State.REFUSED, State.SPOILED, State.DOUBT)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Percentiles in milliseconds; each is a time that was measured (nearest rank)."""

    p50: int
    p90: int
    p95: int
    p99: int


@dataclass(frozen=True, slots=True)
class Group:
    """The requests that share a model or a value of an axis, or all of them.

    The three sums of money are over all attempts, however the request ended, and are never added up. Withdrawn requests
    are in these sums, but in no count of requests.
    ``latency`` is as the service states it, or the time of the request itself: ``latency_sources``; ``item`` is the
    time from the first attempt to the stored file. ``cost_sources`` count pictures by what their cost was read or
    counted from; of ``unpriced_pictures`` nobody knows a cost. ``reused``
    requests, with their ``reused_pictures``, were taken from another folder and cost nothing here. ``films`` count as
    pictures too; ``filmed_ms`` is the length of those bought here, for ``filmed_microusd``. ``pictures_per_minute`` are
    of the time in which the group had requests under way, or of the runs if it is all requests.
    """

    name: str
    requests: int
    pictures: int
    states: Mapping[State, int]
    estimated_pictures: int
    unpriced_pictures: int
    cost_sources: Mapping[str, int]
    latency_sources: Mapping[str, int]
    input_tokens: int
    output_tokens: int
    reused: int
    reused_pictures: int
    films: int
    filmed_ms: int
    filmed_microusd: int
    attempts: int
    retries: int
    billed_microusd: int
    maybe_microusd: int
    estimated_microusd: int
    latency: Percentiles | None
    item: Percentiles | None
    pictures_per_minute: float | None

    @property
    def stored(self) -> int:
        return self.states[State.STORED]

    @property
    def refused(self) -> int:
        return self.states[State.REFUSED]

    @property
    def spoiled(self) -> int:
        return self.states[State.SPOILED]

    @property
    def failed(self) -> int:
        return self.refused + self.spoiled

    @property
    def doubt(self) -> int:
        return self.states[State.DOUBT]

    @property
    def waiting(self) -> int:
        return self.states[State.WAITING]

    @property
    def open(self) -> int:
        """The requests that have not ended: waiting, sent, or answered and not stored yet."""
        return self.states[State.WAITING] + self.states[State.SENT] + self.states[State.ANSWERED]

    @property
    def success_rate(self) -> float | None:
        """The share of stored requests among those that ended, from 0 to 1."""
        ended = sum(self.states[state] for state in _ENDED)
        return self.stored / ended if ended else None

    @property
    def billed_per_picture_microusd(self) -> int | None:
        """Everything billed, spoiled answers too, per picture that was bought here at a stated cost."""
        priced = self.pictures - self.estimated_pictures - self.unpriced_pictures - self.reused_pictures
        return round(self.billed_microusd / priced) if priced else None

    @property
    def estimated_per_picture_microusd(self) -> int | None:
        """Everything estimated, per picture whose cost is an estimate."""
        return round(self.estimated_microusd / self.estimated_pictures) if self.estimated_pictures else None

    @property
    def billed_per_second_microusd(self) -> int | None:
        """What was billed for films, per second of film."""
        return round(self.filmed_microusd * 1000 / self.filmed_ms) if self.filmed_ms else None

    @property
    def unit(self) -> str:
        """The noun for the group's pictures."""
        return "film" if self.films and self.films == self.pictures else "picture"


def overall(frame: pd.DataFrame, *, active_ms: int) -> Group:
    """Return all requests as one group, all zeros if there are none."""
    everything = pd.Categorical.from_codes(np.zeros(len(frame), dtype=np.int64), categories=pd.Index(["all"]))
    return _groups(frame, everything, [active_ms])[0]


def per_model(frame: pd.DataFrame, *, starts: Sequence[int]) -> tuple[Group, ...]:
    """Return a group per model, those with most requests first; ``starts`` are those of the runs, in milliseconds."""
    models = frame["model"].array
    return _by_size(_groups(frame, models, _under_way(frame, models, starts)))


def per_axis(frame: pd.DataFrame, *, starts: Sequence[int]) -> Mapping[str, tuple[Group, ...]]:
    """Return for each axis beside the model, a group per value, in the order in which they were first sent."""
    tables = {name: _groups(frame, by, _under_way(frame, by, starts)) for name, by in _axes(frame)}
    return {name: groups for name, groups in tables.items() if len(groups) > 1}


def crossed(
    frame: pd.DataFrame, models: Sequence[str], *, values: int, starts: Sequence[int]
) -> Mapping[str, tuple[tuple[Group | None, ...], ...]]:
    """Return for each axis of :func:`per_axis` a row for each of its first ``values``: a group for each of ``models``.

    A value that a model never had has ``None`` in its place.
    """
    places = {name: place for place, name in enumerate(frame["model"].cat.categories)}
    column = np.full(len(places) + 1, -1, dtype=np.int64)
    column[[places[name] for name in models]] = np.arange(len(models))
    model = column[frame["model"].cat.codes.to_numpy()]
    found = {}
    for name, by in _axes(frame):
        if (rows := min(len(by.categories), values)) < 2:
            continue
        value = by.codes.astype(np.int64)
        inside = (value >= 0) & (value < rows) & (model >= 0)
        pair = np.where(inside, value * len(models) + model, -1)
        both = pd.Categorical.from_codes(pair, categories=pd.Index([str(one) for one in range(rows * len(models))]))
        groups = [group if group.requests else None for group in _groups(frame, both, _under_way(frame, both, starts))]
        found[name] = tuple(tuple(groups[row * len(models) : (row + 1) * len(models)]) for row in range(rows))
    return found


def _axes(frame: pd.DataFrame) -> Iterator[tuple[str, pd.Categorical[str]]]:
    """Yield each axis beside the model, with its value for every row."""
    combinations = [json.loads(text) for text in frame["axes"].cat.categories]
    for name in dict.fromkeys(name for combination in combinations for name in combination if name != "model"):
        yield name, _axis(frame, combinations, name)


def _under_way(frame: pd.DataFrame, by: pd.Categorical[str], starts: Sequence[int]) -> list[int]:
    """Return for each group how long it had requests under way: by run, from its first to the end of its last."""
    count = max(len(starts), 1)
    began = np.array(sorted(starts) or [0], dtype=np.int64)
    sent, known = frame["sent_ms"].to_numpy(), frame["known_ms"].to_numpy()
    asked = (by.codes >= 0) & (sent != UNKNOWN) & (frame["reused"] == 0).to_numpy()
    sent, known = sent[asked], known[asked]
    run = np.clip(np.searchsorted(began, known, side="right") - 1, 0, None)
    place = by.codes[asked].astype(np.int64) * count + run
    first = np.full(len(by.categories) * count, np.iinfo(np.int64).max)
    last = np.zeros_like(first)
    # What an earlier run sent was not under way between the two.
    np.minimum.at(first, place, np.maximum(sent, began[run]))
    np.maximum.at(last, place, known)
    spans = np.where(last > 0, np.maximum(last - first, 0), 0).reshape(-1, count).sum(axis=1)
    found: list[int] = spans.tolist()
    return found


def percentiles(values: Integers, codes: Integers, groups: int) -> list[Percentiles | None]:
    """Return the percentiles of each group's known ``values``: row ``n`` is in group ``codes[n]``, or none if < 0."""
    known = (values != UNKNOWN) & (codes >= 0)
    values, codes = values[known], codes[known]
    # Split by group first: small codes sort without comparisons, and values alone sort in a tenth of the time.
    order = np.argsort(codes.astype(np.min_scalar_type(groups)), kind="stable")
    counts = np.bincount(codes, minlength=groups)
    parts = np.split(values[order], np.cumsum(counts)[:-1])
    return [_percentiles(np.sort(part)) if len(part) else None for part in parts]


def spread(frame: pd.DataFrame, count: int) -> list[int]:
    """Return the numbers of up to ``count`` stored requests: of every model in turn, from all parts of the run."""
    stored = frame.index[frame["state"] == State.STORED]
    models = frame["model"].cat.codes[frame["state"] == State.STORED].to_numpy()
    present = np.unique(models)
    if not len(present):
        return []
    share = -(-count // len(present))
    picks = [_evenly(stored[models == model].tolist(), share) for model in present[:count]]
    return _in_turn(picks)[:count]


def slowest(frame: pd.DataFrame, count: int) -> list[int]:
    """Return the numbers of the requests whose service took longest to answer, the slowest one first."""
    return _highest(frame, frame["latency_ms"].to_numpy(), count)


def dearest(frame: pd.DataFrame, count: int) -> list[int]:
    """Return the numbers of the requests that cost most over all their attempts, the dearest one first."""
    return _highest(frame, (frame["billed_microusd"] + frame["estimated_microusd"]).to_numpy(), count)


def _highest(frame: pd.DataFrame, values: Integers, count: int) -> list[int]:
    # Without withdrawn requests and those that another folder bought.
    mine = np.flatnonzero((frame["state"].notna() & (frame["reused"] == 0)).to_numpy() & (values > 0))
    if len(mine) > count:
        least = np.partition(values[mine], -count)[-count]
        mine = mine[values[mine] >= least]
    order = np.argsort(-values[mine], kind="stable")[:count]
    return [int(number) for number in frame.index.to_numpy()[mine[order]]]


def _groups(frame: pd.DataFrame, by: pd.Categorical[str], times_ms: Sequence[int]) -> tuple[Group, ...]:
    """Return a group for each category of ``by``; ``times_ms`` are those in which their pictures were made."""
    codes = by.codes.astype(np.int64)
    names = [str(name) for name in by.categories]
    inside = frame[codes >= 0]
    places = codes[codes >= 0]
    states = inside["state"].cat.codes.to_numpy()
    pairs = (places * len(State) + states)[states >= 0]
    counts = np.bincount(pairs, minlength=len(names) * len(State)).reshape(len(names), len(State))
    bought_films = (inside["film_ms"] > 0) & (inside["reused"] == 0) & (inside["estimated_microusd"] == 0)
    unpriced = (inside["cost_source"] == "") & (inside["billed_microusd"] == 0) & (inside["reused"] == 0)
    estimated = ~inside["cost_source"].isin(["", *STATED])
    columns = {name: inside[name] for name in ("pictures", "attempts", "reused", "films", *MONEY, *TOKENS)} | {
        "retries": (inside["attempts"] - 1 - inside["further_takes"]).clip(lower=0),
        "estimated_pictures": inside["pictures"].where(estimated | (inside["estimated_microusd"] > 0), 0),
        "unpriced_pictures": inside["pictures"].where(unpriced & (inside["estimated_microusd"] == 0), 0),
        "reused_pictures": inside["pictures"].where(inside["reused"] > 0, 0),
        "filmed_ms": inside["film_ms"].where(bought_films, 0),
        "filmed_microusd": inside["billed_microusd"].where(bought_films, 0),
    }
    sums = {name: summed(column.to_numpy(), places, len(names)) for name, column in columns.items()}
    made = sums["pictures"] - sums["reused_pictures"]
    stored = inside["state"] == State.STORED
    latency = percentiles(inside["latency_ms"].where(stored, UNKNOWN).to_numpy(), places, len(names))
    cost_sources, latency_sources = (
        _sources(inside[name].array, inside["pictures"].to_numpy(), places, len(names))
        for name in ("cost_source", "latency_source")
    )
    item = percentiles(inside["item_ms"].where(stored, UNKNOWN).to_numpy(), places, len(names))
    return tuple(
        Group(
            name=name,
            requests=int(counts[code].sum()),
            states={state: int(counts[code, _PLACES[state]]) for state in STATES},
            latency=latency[code],
            cost_sources=cost_sources[code],
            latency_sources=latency_sources[code],
            item=item[code],
            pictures_per_minute=int(made[code]) * 60_000 / times_ms[code] if times_ms[code] else None,
            **{column: int(amounts[code]) for column, amounts in sums.items()},
        )
        for code, name in enumerate(names)
    )


def _sources(sources: pd.Categorical, pictures: Integers, places: Integers, groups: int) -> list[Mapping[str, int]]:
    """Return for each group how many pictures there are of each known source, the most first."""
    names = [str(name) for name in sources.categories]
    sums = summed(pictures, places * len(names) + sources.codes.astype(np.int64), groups * len(names))
    counted = sums.reshape(groups, len(names)).tolist()
    return [
        {
            name: count
            for count, name in sorted(zip(row, names, strict=True), key=lambda one: (-one[0], one[1]))
            if name and count
        }
        for row in counted
    ]


def _axis(frame: pd.DataFrame, combinations: Sequence[Mapping[str, str]], name: str) -> pd.Categorical[str]:
    """Return the value of one axis for every row, computed once per combination."""
    values = list(dict.fromkeys(combination[name] for combination in combinations if name in combination))
    places = {value: place for place, value in enumerate(values)}
    narrow = np.array([places.get(combination.get(name, ""), -1) for combination in combinations], dtype=np.int64)
    return pd.Categorical.from_codes(
        narrow[frame["axes"].cat.codes.to_numpy()], categories=pd.Index(values, dtype=object)
    )


def _percentiles(ordered: Integers) -> Percentiles:
    # Integer arithmetic, so that no rounding error picks a neighbour: rank = ceil(n * percent / 100).
    ranks = [-(-len(ordered) * percent // 100) for percent in (50, 90, 95, 99)]
    return Percentiles(*(int(ordered[rank - 1]) for rank in ranks))


def _by_size(groups: tuple[Group, ...]) -> tuple[Group, ...]:
    return tuple(sorted(groups, key=lambda group: (-group.requests, group.name)))


def _evenly(values: list[int], count: int) -> list[int]:
    if len(values) <= count:
        return values
    return [values[place * len(values) // count] for place in range(count)]


def _in_turn(picks: list[list[int]]) -> list[int]:
    longest = max(map(len, picks))
    return [pick[place] for place in range(longest) for pick in picks if place < len(pick)]
