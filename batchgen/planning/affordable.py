"""How many of a plan's requests the money that is left is enough for, if each costs what is expected of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from batchgen.planning.forecast import ModelForecast


@dataclass(slots=True)
class _Lane:
    """The requests of one model that are to be bought, at their mean prices."""

    count: int
    expected_microusd: int
    high_microusd: int


def affordable(models: Iterable[ModelForecast], left_microusd: int) -> int:
    """Return how many new requests are bought with ``left_microusd``, their models in turn.

    The worst-case price of a request must be left when it is sent; afterwards it has cost what was expected.
    """
    lanes = [
        _Lane(part.new, part.cost.expected_microusd // part.new, part.cost.high_microusd // part.new)
        for part in models
        if part.new and part.cost
    ]
    bought = 0
    while lanes := [lane for lane in lanes if lane.count and lane.high_microusd <= left_microusd]:
        # As many whole rounds at once as leave the worst case of every request within what is left.
        round_microusd = sum(lane.expected_microusd for lane in lanes)
        spare_microusd = left_microusd - round_microusd - max(lane.high_microusd for lane in lanes)
        rounds = min(lane.count for lane in lanes)
        if round_microusd:
            rounds = min(rounds, max(0, spare_microusd) // round_microusd)
        for lane in lanes:
            lane.count -= rounds
        bought += rounds * len(lanes)
        left_microusd -= rounds * round_microusd
        if rounds:
            continue
        for lane in lanes:
            if lane.high_microusd <= left_microusd:
                lane.count -= 1
                bought += 1
                left_microusd -= lane.expected_microusd
    return bought
