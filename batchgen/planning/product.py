"""How many requests a plan makes, and of which price: counted by multiplication, without making one of them.

Values of an axis that no rule and no price tells apart are one class, counted as often as there are values. A million
combinations of two axes are then one class each, and an `exclude` splits an axis into what it matches and the rest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from batchgen.manifest import Axis, Manifest, Row, Value
from batchgen.planning.combinations import Combination, Combinations, matches_glob
from batchgen.request import like

# More classes than this are counted no faster than the combinations themselves.
MOST_CLASSES = 100_000

# What decides the price of a request.
_PRICED = ("model", "quality", "size", "seconds")

_Rules = Sequence[Mapping[str, str]]
_Glob = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """The requests of a plan, equal ones counted each: by model with quality, size and seconds; by axis and title."""

    by_price: Mapping[tuple[str, tuple[str, str, str]], int]
    by_axis: Mapping[str, Mapping[str, int]]

    @property
    def requests(self) -> int:
        return sum(self.by_price.values())

    def by_model(self) -> Mapping[str, int]:
        """Return the number of requests to each model."""
        counts: Counter[str] = Counter()
        for (model, _), count in self.by_price.items():
            counts[model] += count
        return counts


def count_requests(
    manifest: Manifest, combinations: Combinations, resolved: Callable[[str], str]
) -> RequestCounts | None:
    """Return the counts of a plan's requests; ``None`` if there are too many classes, or a request names no model.

    ``resolved`` gives the model that an alias stands for. Rows are read only if they say what a rule or a price
    depends on. Raise :class:`~batchgen.errors.ManifestError` for rows that can't be read.
    """
    own, of_rows = combinations.own_rules, combinations.row_rules
    globs = _globs((*own, *of_rows))
    axes = [_classes(axis, globs) for axis in combinations.axes]
    rows = _row_classes(manifest, _globs(of_rows))
    if math.prod(map(len, axes)) * len(rows) > MOST_CLASSES:
        return None
    sums = _Sums(resolved)
    flags = _Class(1, sets=_sets(manifest.flags, globs), priced=_priced(manifest.flags))
    for places in product(*(range(len(classes)) for classes in axes)):
        one = _together(classes[place] for classes, place in zip(axes, places, strict=True))
        if not any(_matches(rule, one) for rule in own):
            asked = _together((one, flags))
            for row in rows:
                if not any(_matches(rule, _over(row, asked)) for rule in of_rows):
                    sums.add(row, asked, places)
    for included in combinations.included():
        for row in rows:
            sums.add_included(row, included, flags)
    return sums.found(combinations.axes, axes)


@dataclass(frozen=True, slots=True)
class _Class:
    """Values that count alike: how many, the globs their titles and settings match, and what they ask for.

    ``sets`` has each name that a glob may ask for and the values set, with the globs that match.
    """

    count: int
    titles: frozenset[_Glob] = frozenset()
    sets: Mapping[str, frozenset[str]] = field(default_factory=dict)
    priced: Mapping[str, str] = field(default_factory=dict)
    members: tuple[str, ...] = ()


def _globs(rules: _Rules) -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for rule in rules:
        for name, glob in rule.items():
            found.setdefault(name, set()).add(glob)
    return {name: frozenset(globs) for name, globs in found.items()}


def _sets(values: Mapping[str, Value], globs: Mapping[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {
        name: frozenset(glob for glob in wanted if matches_glob(glob, values[name]))
        for name, wanted in globs.items()
        if name in values
    }


def _priced(values: Mapping[str, Value]) -> dict[str, str]:
    return {name: value for name in _PRICED if isinstance(value := values.get(name), str)}


def _classes(axis: Axis, globs: Mapping[str, frozenset[str]]) -> list[_Class]:
    members: dict[tuple[object, ...], list[str]] = {}
    like_it: dict[tuple[object, ...], _Class] = {}
    for value in axis.values:
        titles = frozenset((axis.name, glob) for glob in globs.get(axis.name, ()) if matches_glob(glob, value.title))
        one = _Class(0, titles, _sets(value.settings, globs), _priced(value.settings))
        mark = (titles, frozenset(one.sets.items()), frozenset(one.priced.items()))
        like_it.setdefault(mark, one)
        members.setdefault(mark, []).append(value.title)
    return [
        _Class(len(members[mark]), one.titles, one.sets, one.priced, tuple(members[mark]))
        for mark, one in like_it.items()
    ]


def _row_classes(manifest: Manifest, globs: Mapping[str, frozenset[str]]) -> list[_Class]:
    """Return the classes of rows above the defaults; ``count`` is that of requests for each combination."""
    base = _Class(1, frozenset(), _sets(manifest.defaults, globs), _priced(manifest.defaults))
    counts: Counter[tuple[object, ...]] = Counter()
    like_it: dict[tuple[object, ...], _Class] = {}
    deciding = {*globs, *_PRICED, "repeat"}
    if manifest.rows.columns is not None and not deciding & {*manifest.rows.columns}:
        return [_Class(manifest.rows.count() * manifest.repeat, sets=base.sets, priced=base.priced)]
    for row in manifest.rows:
        own = _Class(1, frozenset(), _sets(row.values, globs), _priced(row.values))
        mark = (frozenset(own.sets.items()), frozenset(own.priced.items()))
        like_it.setdefault(mark, own)
        counts[mark] += _repeats(row, manifest)
    return [
        _Class(counts[mark], sets={**base.sets, **one.sets}, priced={**base.priced, **one.priced})
        for mark, one in like_it.items()
    ]


def _repeats(row: Row, manifest: Manifest) -> int:
    stated = None if "repeat" in manifest.flags else row.values.get("repeat")
    return int(stated) if isinstance(stated, str) and stated.isdecimal() else manifest.repeat


def _together(chosen: Iterable[_Class]) -> _Class:
    """Return the combination of one class of each axis; of two that set the same, the later one counts."""
    count, titles = 1, frozenset[_Glob]()
    sets: dict[str, frozenset[str]] = {}
    priced: dict[str, str] = {}
    for one in chosen:
        count *= one.count
        titles |= one.titles
        sets.update(one.sets)
        priced.update(one.priced)
    return _Class(count, titles, sets, priced)


def _over(row: _Class, one: _Class) -> _Class:
    return _Class(1, one.titles, {**row.sets, **one.sets})


def _matches(rule: Mapping[str, str], one: _Class) -> bool:
    return all((name, glob) in one.titles or glob in one.sets.get(name, ()) for name, glob in rule.items())


class _Sums:
    """The counts so far, of classes by their axis and position."""

    def __init__(self, resolved: Callable[[str], str]) -> None:
        self._resolved = resolved
        self._by_price: Counter[tuple[str, tuple[str, str, str]]] = Counter()
        self._by_class: Counter[tuple[int, int]] = Counter()
        self._included: dict[str, Counter[str]] = {}
        self._nameless = False

    def add(self, row: _Class, one: _Class, places: Sequence[int]) -> None:
        count = row.count * one.count
        self._add({**row.priced, **one.priced}, count)
        for place in enumerate(places):
            self._by_class[place] += count

    def add_included(self, row: _Class, included: Combination, flags: _Class) -> None:
        self._add({**row.priced, **_priced(included.settings), **flags.priced}, row.count)
        for axis, title in included.titles.items():
            self._included.setdefault(axis, Counter())[title] += row.count

    def _add(self, priced: Mapping[str, str], count: int) -> None:
        model = priced.get("model")
        if model is None:
            self._nameless = True
        else:
            self._by_price[self._resolved(model), like(priced)] += count

    def found(self, axes: Sequence[Axis], classes: Sequence[Sequence[_Class]]) -> RequestCounts | None:
        if self._nameless:
            return None
        by_axis = {axis.name: self._titles(place, axis, classes[place]) for place, axis in enumerate(axes)}
        for name, titles in self._included.items():
            by_axis[name] = dict(Counter(by_axis.get(name, {})) + titles)
        return RequestCounts(dict(self._by_price), by_axis)

    def _titles(self, place: int, axis: Axis, classes: Sequence[_Class]) -> Mapping[str, int]:
        """Return the counts of an axis' titles in their order; within a class they are equal."""
        counts = {
            title: self._by_class[place, number] // one.count
            for number, one in enumerate(classes)
            for title in one.members
        }
        return {value.title: counts[value.title] for value in axis.values if counts[value.title]}
