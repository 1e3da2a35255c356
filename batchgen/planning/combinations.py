"""Every combination of the axes' values, before any row is applied.

A combination is kept unless an ``exclude`` drops it; each ``include`` adds one. Combinations are made lazily, so a
matrix of a million costs no memory; a matrix small enough is made once and used for every row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from batchgen.manifest import Axis, AxisValue, CombinationRule, Value

# Up to this many combinations are kept and used again for each row.
KEPT = 4096


@dataclass(frozen=True, slots=True)
class Combination:
    """One value of each axis: their titles by axis, and everything they set. No rule drops what was ``included``."""

    titles: Mapping[str, str]
    settings: Mapping[str, Value]
    included: bool = False


class Combinations:
    """The combinations of a manifest, in its order. ``exclude`` rules that name a row's column are left to the row."""

    def __init__(
        self,
        axes: Sequence[Axis],
        exclude: Sequence[CombinationRule] = (),
        include: Sequence[CombinationRule] = (),
    ) -> None:
        self.axes = tuple(axes)
        known = {axis.name for axis in axes} | {
            name for axis in axes for value in axis.values for name in value.settings
        }
        self._own_rules = tuple(rule for rule in exclude if rule.choice.keys() <= known)
        self.own_rules = tuple(rule.choice for rule in self._own_rules)
        self.row_rules = tuple(rule.choice for rule in exclude if not rule.choice.keys() <= known)
        self._include = tuple(entry.choice for entry in include)
        self.size = math.prod(len(axis.values) for axis in axes) + len(include)
        self._kept = tuple(self._made()) if self.size <= KEPT else None

    def __iter__(self) -> Iterator[Combination]:
        return iter(self._kept) if self._kept is not None else self._made()

    @property
    def kept(self) -> bool:
        """Whether every iteration gives the very same objects."""
        return self._kept is not None

    def idle_rules(self) -> tuple[CombinationRule, ...]:
        """Return the ``exclude`` rules that match no combination; none if there are more than ``KEPT`` combinations."""
        if self._kept is None:
            return ()
        every = [_combine(self.axes, values) for values in itertools.product(*(axis.values for axis in self.axes))]
        return tuple(
            rule for rule in self._own_rules if not any(matches(rule.choice, one.titles, one.settings) for one in every)
        )

    def _made(self) -> Iterator[Combination]:
        for values in itertools.product(*(axis.values for axis in self.axes)):
            combination = _combine(self.axes, values)
            if not self._drops(combination):
                yield combination
        yield from self.included()

    def included(self) -> Iterator[Combination]:
        """Yield the combinations that ``include`` adds."""
        for entry in self._include:
            yield self._included(entry)

    def sample(self) -> Iterator[Combination]:
        """Yield combinations with every value of every axis among them, and the one of all the longest values.

        Each differs from the first combination in one axis: what two values of an axis do to a request, or to a name,
        shows between two of them. Those that a rule drops are left out.
        """
        if not all(axis.values for axis in self.axes):
            return
        first = [axis.values[0] for axis in self.axes]
        chosen = [first, [max(axis.values, key=_length) for axis in self.axes]]
        for place, axis in enumerate(self.axes):
            chosen += [[*first[:place], value, *first[place + 1 :]] for value in axis.values[1:]]
        made = (_combine(self.axes, values) for values in chosen)
        yield from (one for one in made if not self._drops(one))
        yield from self.included()

    def _drops(self, combination: Combination) -> bool:
        return any(matches(rule, combination.titles, combination.settings) for rule in self.own_rules)

    def _included(self, entry: Mapping[str, str]) -> Combination:
        titles: dict[str, str] = {}
        settings: dict[str, Value] = {}
        for name, wanted in entry.items():
            value = next((v for axis in self.axes if axis.name == name for v in axis.values if v.title == wanted), None)
            titles[name] = wanted
            settings.update(value.settings if value else {name: wanted})
        return Combination(titles, settings, included=True)


def matches(rule: Mapping[str, str], titles: Mapping[str, str], values: Mapping[str, Value]) -> bool:
    """Return whether the title or value of every name in the rule matches its glob."""
    return all(
        matches_glob(glob, titles.get(name)) or matches_glob(glob, values.get(name)) for name, glob in rule.items()
    )


def matches_glob(glob: str, word: Value | None) -> bool:
    """Return whether a title or value matches. One may hold brackets of its own: the exact word matches first."""
    return isinstance(word, str) and (word == glob or fnmatchcase(word, glob))


def _length(value: AxisValue) -> int:
    return sum(map(len, value.settings.values()))


def _combine(axes: Sequence[Axis], values: Sequence[AxisValue]) -> Combination:
    settings: dict[str, Value] = {}
    for value in values:
        settings.update(value.settings)
    return Combination({axis.name: value.title for axis, value in zip(axes, values, strict=True)}, settings)
