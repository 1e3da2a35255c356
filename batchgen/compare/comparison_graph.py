"""The graph of which models were compared: what the votes can say at all, however many there are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from batchgen.compare.bradley_terry import Booleans, Floats


def reaches(wins: Floats) -> Booleans:
    """Return ``[i, j]``: whether ``i`` beat or tied ``j``, or one that did, and so on; each reaches itself."""
    linked: Booleans = (wins > 0) | np.eye(len(wins), dtype=np.bool_)
    for _ in range(len(wins).bit_length()):
        linked = linked @ linked
    return linked


def never_lost(wins: Floats) -> Booleans:
    """Return ``[i, j]``: whether ``i`` beat ``j``, directly or through others, and ``j`` never did beat ``i``."""
    reached = reaches(wins)
    result: Booleans = reached & ~reached.T
    return result


def components(wins: Floats) -> list[list[int]]:
    """Return the groups of models that were compared with each other, directly or through others."""
    linked = reaches(wins + wins.T)
    return [np.flatnonzero(row).tolist() for place, row in enumerate(linked) if row.argmax() == place]


def same_group(groups: list[list[int]], size: int) -> Booleans:
    """Return ``[i, j]``: whether both are of one group."""
    together: Booleans = np.zeros((size, size), dtype=np.bool_)
    for group in groups:
        together[np.ix_(group, group)] = True
    return together


@dataclass(frozen=True, slots=True)
class OpenEnds:
    """By model, whether the votes set no bound ``above`` or ``below`` to its distance from the middle of its group."""

    above: Booleans
    below: Booleans


def open_ends(wins: Floats) -> OpenEnds:
    """Return which strengths the votes alone let grow or fall without end.

    A set of models that lost no vote to the others, nor tied one, may be raised without end, and no vote becomes less
    likely (Ford 1957). The smallest such set with a model in it are those that reach the model. If the set is half of
    the group or less, the others fix the middle of the group, and the model moves away from it.
    """
    reached = reaches(wins)
    group = same_group(components(wins), len(wins)).sum(axis=0)
    return OpenEnds(above=2 * reached.sum(axis=0) <= group, below=2 * reached.sum(axis=1) <= group)


def cliques(alike: Booleans) -> list[frozenset[int]]:
    """Return the largest sets in which all are alike (Bron and Kerbosch, with a pivot)."""
    neighbours = [frozenset(np.flatnonzero(row).tolist()) - {place} for place, row in enumerate(alike)]
    found: list[frozenset[int]] = []

    def grow(inside: frozenset[int], left: frozenset[int], seen: frozenset[int]) -> None:
        if not left and not seen:
            found.append(inside)
            return
        pivot = max(left | seen, key=lambda place: len(neighbours[place] & left))
        for place in sorted(left - neighbours[pivot]):
            grow(inside | {place}, left & neighbours[place], seen & neighbours[place])
            left, seen = left - {place}, seen | {place}

    grow(frozenset(), frozenset(range(len(neighbours))), frozenset())
    return found
