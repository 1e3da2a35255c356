"""Which of many pictures are nearly the same, from their gradients and tints: seconds for a million of them.

Pictures count as nearly the same whatever their prompts: what a user wants to hear is that two purchases brought one
picture, and a repeat that differs as repeats do is far beyond the threshold.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Integers = npt.NDArray[np.int64]
    Words = npt.NDArray[np.uint64]
    Bytes = npt.NDArray[np.uint8]

# Pictures as close as this in their gradients and their colours look the same to a person. Measured on drawings of the
# simulator and their recompressed copies; a repeat of the same request differs by 10 bits and more.
_NEAR_BITS = 3
_NEAR_LEVELS = 6
# Of five blocks at least two are equal if three bits differ: pictures are compared within equal pairs of blocks.
# Each is the place of its lowest bit, and how many it has.
_BLOCKS = ((0, 13), (13, 13), (26, 13), (39, 13), (52, 12))
# Neighbours in each order that are compared: bounds the work when thousands are alike, each of which has such a
# neighbour all the same.
_NEIGHBOURS = 8
# So many tints are compared at a time, in a few megabytes.
_AT_ONCE = 1 << 16


def partners(gradients: Words, tints: Bytes) -> Integers:
    """Return for each picture the place of one that is nearly the same, or -1. ``tints`` has one row per picture."""
    import numpy as np

    partner = np.full(len(gradients), -1, dtype=np.int64)
    for pair in combinations(_BLOCKS, 2):
        mixed = _first(gradients, pair)
        order = np.argsort(mixed)
        mixed = mixed[order]
        pairs = mixed >> np.uint64(64 - sum(width for _, width in pair))
        starts = np.flatnonzero(pairs[1:] == pairs[:-1])
        for step in range(1, _NEIGHBOURS + 1):
            starts = starts[starts + step < len(pairs)]
            starts = starts[pairs[starts] == pairs[starts + step]]
            close = starts[np.bitwise_count(mixed[starts] ^ mixed[starts + step]) <= _NEAR_BITS]
            for some in _portions(close):
                one, other = order[some], order[some + step]
                near = np.abs(tints[one].astype(np.int16) - tints[other]).mean(axis=1) <= _NEAR_LEVELS
                one, other = one[near], other[near]
                partner[one], partner[other] = other, one
    return partner


def _first(gradients: Words, pair: tuple[tuple[int, int], ...]) -> Words:
    """Return the bits of ``gradients`` in another order, with those of ``pair`` in front."""
    import numpy as np

    mixed = np.zeros_like(gradients)
    for place, width in (*pair, *(block for block in _BLOCKS if block not in pair)):
        mixed <<= np.uint64(width)
        mixed |= gradients >> np.uint64(place) & np.uint64((1 << width) - 1)
    return mixed


def _portions(places: Integers) -> list[Integers]:
    return [places[start : start + _AT_ONCE] for start in range(0, len(places), _AT_ONCE)]
