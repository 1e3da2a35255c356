"""Follows the instructions of a person: changes the limits of a run that goes on, within what the run can do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from batchgen.errors import nearest
from batchgen.money import dollars
from batchgen.running.control import Instruction
from batchgen.running.desk import Desk
from batchgen.running.schedule.from_manifest import start_rate
from batchgen.running.schedule.lanes import Lane, Lanes
from batchgen.running.schedule.pool import Pool
from batchgen.wording import counted, shown

# A run opens its connections for as many requests as a person may want of it later, and for more if its manifest does.
STEERED_CONCURRENCY = 256

# Workers beyond the ceiling: they finish answers while the others keep the ceiling busy with requests.
_FINISHING = 8


def workers_for(ceiling: int) -> int:
    """Return how many workers a run with so many requests in flight needs."""
    return ceiling + max(_FINISHING, ceiling // 4)


def connections_for(concurrency: int) -> int:
    """Return how many requests a provider must be able to have under way in a run that begins with ``concurrency``."""
    return max(concurrency, STEERED_CONCURRENCY)


class Steering:
    """The wheel of one engine. Nothing in flight is cancelled by any instruction."""

    def __init__(self, desk: Desk, lanes: Lanes, pool: Pool, *, drain: Callable[[str], None]) -> None:
        self._desk = desk
        self._lanes = lanes
        self._pool = pool
        self._drain = drain

    def follow(self, instruction: Instruction, user: str) -> str:
        """Do what ``instruction`` says, and return what holds now. Raise :class:`ValueError` if it can't be done."""
        match instruction.action:
            case "concurrency":
                said = self._concurrency(instruction)
            case "rate":
                said = self._rate(instruction)
            case "budget":
                said = self._budget(instruction.amount)
            case "pause":
                said = self._pause(self._of(instruction.model))
            case "resume":
                said = self._resume(self._of(instruction.model))
            case "park":
                said = self._park(self._of(instruction.model), user)
            case _:
                self._drain(f"drained by {user}")
                said = "nothing more is sent, and what is under way lands"
        # The pool sleeps through what no answer and no clock announces.
        self._pool.wake()
        return said

    def _of(self, model: str | None) -> Sequence[Lane]:
        lanes = list(self._lanes.by_model.values())
        found = [lane for lane in lanes if model in {None, lane.model} or fnmatchcase(lane.model, model or "")]
        if not found:
            known = [lane.model for lane in lanes]
            hint = nearest(model or "", known) or f"there are {', '.join(known[:8])}"
            raise ValueError(f"the run has no model {shown(model)}; {hint}")
        return found

    def _concurrency(self, instruction: Instruction) -> str:
        wanted = instruction.amount
        most = connections_for(self._desk.ceiling)
        if wanted > most:
            raise ValueError(f"this run has connections for {most:,}; `batchgen run --concurrency {wanted}` opens more")
        lanes = self._of(instruction.model)
        if instruction.model is None:
            self._lanes.ceiling = wanted
            self._desk.space.expect(wanted)
            self._pool.grow(workers_for(wanted))
        else:
            for lane in lanes:
                lane.own_ceiling = wanted
        for lane in lanes:
            lane.limit.bound(min(self._lanes.ceiling, lane.own_ceiling or self._lanes.ceiling))
        if instruction.model is None:
            return f"at most {counted(wanted, 'request')} under way in all lanes together"
        if wanted > self._lanes.ceiling:
            return f"at most {self._lanes.ceiling:,} under way, as in the whole run; `concurrency {wanted}` raises that"
        return f"at most {counted(wanted, 'request')} under way to {_names(lanes)}"

    def _rate(self, instruction: Instruction) -> str:
        assert instruction.rate is not None
        lanes = self._of(instruction.model)
        for lane in lanes:
            lane.rate = start_rate(instruction.rate)
        return f"{instruction.rate.text} to {_names(lanes)}"

    def _budget(self, cap_microusd: int) -> str:
        unknown = sorted(model for model in self._lanes.by_model if self._desk.prices.price(model) is None)
        if unknown:
            raise ValueError(f"a budget can't be kept: nobody states a price for {', '.join(unknown[:8])}")
        budget = self._desk.budget
        budget.cap_microusd = cap_microusd
        if budget.committed_microusd > cap_microusd:
            return (
                f"the budget is {dollars(cap_microusd)}: less than the {dollars(budget.committed_microusd)} that are "
                "spent or under way, so nothing more is sent"
            )
        return f"the budget is {dollars(cap_microusd)}, {dollars(cap_microusd - budget.committed_microusd)} of it free"

    def _pause(self, lanes: Sequence[Lane]) -> str:
        for lane in lanes:
            lane.paused = True
        return f"{_names(lanes)}: paused"

    def _resume(self, lanes: Sequence[Lane]) -> str:
        for lane in lanes:
            lane.paused, lane.parked = False, None
        return f"{_names(lanes)}: sending again"

    def _park(self, lanes: Sequence[Lane], user: str) -> str:
        for lane in lanes:
            lane.parked = user
        return f"{_names(lanes)}: left for another run"


def _names(lanes: Sequence[Lane]) -> str:
    names = [lane.model for lane in lanes[:3]]
    if len(lanes) > len(names):
        names.append(f"{counted(len(lanes) - len(names), 'more model')}")
    return ", ".join(names)
