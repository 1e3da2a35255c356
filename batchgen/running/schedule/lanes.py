"""Decides which request is sent next: one lane for each model of a provider, served in turn.

A lane that is throttled, full or out of work never stops another. The lanes know jobs and clocks, no pictures and no
network, and nothing in here waits: :meth:`Lanes.pick` answers at once, with a job or with the reason there is none.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from batchgen.request import Request, like
from batchgen.running.buy.budget import Budget
from batchgen.running.buy.retry import Tries
from batchgen.running.events import Wait
from batchgen.running.schedule.breaker import LONGEST_PROBE_S, Alike, Breaker
from batchgen.running.schedule.rate_limits import ConcurrencyLimit, StartRate, Throttling
from batchgen.tokens import PricedBy


@dataclass(frozen=True, slots=True)
class Job:
    """A request that is to be sent. ``reserve_microusd`` is its worst-case price, ``None`` if that is unknown."""

    request: Request
    reserve_microusd: int | None
    estimate_microusd: int | None
    tries: Tries = field(default_factory=Tries)
    priced_by: PricedBy | None = None

    @property
    def key(self) -> str:
        return self.request.key


@dataclass(frozen=True, slots=True)
class NothingDue:
    """Nothing to send before ``until`` (infinite: before something else happens)."""

    until: float


class Lane:
    """The queue of one model, with its limits. Retries go before new work.

    ``own_ceiling`` is the most requests in flight that a person wants of this model, whatever the whole run may have.
    """

    def __init__(self, model: str, limit: ConcurrencyLimit, rate: StartRate, *, own_ceiling: int | None = None) -> None:
        self.model = model
        self.limit = limit
        self.rate = rate
        self.own_ceiling = own_ceiling
        self.breaker = Breaker()
        self.alike = Alike()
        self.throttling = Throttling()
        self.shortages = 0
        self.in_flight = 0
        self.fed = False
        self.closed: str | None = None
        # What a person says while the run goes on: a paused lane keeps the run waiting, a parked one is left behind.
        self.paused = False
        self.parked: str | None = None
        self.gate_until = -math.inf
        self._dearest: dict[tuple[str, str, str], int] = {}
        self._retries: deque[Job] = deque()
        self._fresh: deque[Job] = deque()
        self._waiting: list[tuple[float, int, Job]] = []
        self._order = itertools.count()

    @property
    def queued(self) -> int:
        return len(self._retries) + len(self._fresh)

    @property
    def open(self) -> int:
        """Return how many requests of this lane may still be sent."""
        return self.queued + len(self._waiting)

    @property
    def held(self) -> bool:
        """Return whether a person lets nothing of this lane be sent."""
        return self.paused or self.parked is not None

    @property
    def exhausted(self) -> bool:
        """Return whether every request of the plan for this lane was sent."""
        return self.fed and self.open == 0

    @property
    def unread(self) -> bool:
        """Return whether nobody knows yet if the plan holds requests for this lane."""
        return not self.fed and self.open == 0 and self.closed is None and self.parked is None

    @property
    def done(self) -> bool:
        left_behind = self.closed is not None or self.parked is not None
        return self.in_flight == 0 and (left_behind or self.exhausted)

    def add(self, jobs: Iterable[Job]) -> None:
        self._fresh.extend(jobs)

    def wait(self, job: Job, due: float) -> None:
        """Keep ``job`` until ``due``; a job that waits holds no slot."""
        heapq.heappush(self._waiting, (due, next(self._order), job))

    def hold_until(self, due: float) -> None:
        """Send nothing before ``due``: the service asked for a pause."""
        self.gate_until = max(self.gate_until, due)

    def cost(self, job: Job, cost_microusd: int) -> None:
        """Note what an answer cost: if that is more than was reserved, as much is reserved for its like from now on."""
        if job.reserve_microusd is not None and cost_microusd > job.reserve_microusd:
            alike = like(job.request.parameters)
            self._dearest[alike] = max(cost_microusd, self._dearest.get(alike, 0))

    def next_job(self, now: float) -> Job | None:
        """Return the job to be sent next, with its worst-case price as it is known by now."""
        while self._waiting and self._waiting[0][0] <= now:
            self._retries.append(heapq.heappop(self._waiting)[2])
        job = self._retries[0] if self._retries else self._fresh[0] if self._fresh else None
        return self._at_dearest(job) if job is not None and self._dearest else job

    def _at_dearest(self, job: Job) -> Job:
        dearest = self._dearest.get(like(job.request.parameters), 0)
        if job.reserve_microusd is None or job.reserve_microusd >= dearest:
            return job
        return replace(job, reserve_microusd=dearest)

    def start(self, now: float) -> None:
        """Take the job that :meth:`next_job` showed."""
        (self._retries or self._fresh).popleft()
        self.in_flight += 1
        self.rate.take(now)
        self.limit.started(self.in_flight)
        self.breaker.started()

    def blocked_until(self, now: float) -> float:
        """Return when the clock alone allows the next start; ``now`` if the clock allows a start already."""
        return max(self.gate_until, now + self.rate.wait_s(now), self.breaker.blocked_until(now))

    def due(self) -> float:
        """Return when the first waiting job is due; infinite without a waiting job."""
        return self._waiting[0][0] if self._waiting else math.inf

    def last_due(self) -> float:
        """Return when the last waiting job is due; minus infinity without a waiting job."""
        return max((due for due, _, _ in self._waiting), default=-math.inf)


class Lanes:
    """All lanes of a run, under one ceiling and one budget.

    With ``waits_for_budget`` a budget that is used up stops nothing: a person may raise it, and ``short`` says that the
    lanes wait for that.
    """

    def __init__(self, lanes: Sequence[Lane], *, ceiling: int, budget: Budget, waits_for_budget: bool = False) -> None:
        self.by_model = {lane.model: lane for lane in lanes}
        self._turns = deque(lanes)
        self.ceiling = ceiling
        self._budget = budget
        self._waits_for_budget = waits_for_budget
        self.in_flight = 0
        self.short: str | None = None
        self.stopped: str | None = None
        # How many questions are open whose answer may stop the run.
        self.holds = 0

    @property
    def done(self) -> bool:
        """Return whether nothing is in flight and nothing will be sent any more."""
        if self.in_flight:
            return False
        return self.stopped is not None or all(lane.done for lane in self._turns)

    def pick(self, now: float) -> Job | NothingDue:
        """Return the next job, counted as in flight and with its price reserved, or when to ask again."""
        if self.stopped is not None or self.holds or self.in_flight >= self.ceiling:
            return NothingDue(math.inf)
        until = math.inf
        too_dear: str | None = None
        waits = False
        for _ in range(len(self._turns)):
            lane = self._turns[0]
            self._turns.rotate(-1)
            if lane.closed is not None or lane.held:
                continue
            job = lane.next_job(now)
            if job is None:
                until = min(until, lane.due())
                continue
            if lane.in_flight >= lane.limit.now:
                continue
            if (free := lane.blocked_until(now)) > now:
                until = min(until, free)
                continue
            if shortage := self._budget.shortage(job.reserve_microusd or 0):
                too_dear = shortage
                waits = waits or (self._waits_for_budget and self._budget.is_used_up(job.reserve_microusd or 0))
                continue
            self._start(lane, job, now)
            self.short = None
            return job
        self.short = too_dear if waits and self.in_flight == 0 else None
        if too_dear and not waits and self.in_flight == 0 and until == math.inf and not self._may_change:
            # Nothing in flight can free a reservation any more, and no cheaper lane is still being fed.
            self.stopped = too_dear
        return NothingDue(until)

    @property
    def _may_change(self) -> bool:
        """Return whether a cheaper request may turn up: in a lane that is still being fed, or is paused."""
        return any(lane.unread or (lane.paused and not lane.done) for lane in self._turns)

    def release(self, model: str) -> None:
        """Note that a request is no longer in flight."""
        self.by_model[model].in_flight -= 1
        self.in_flight -= 1

    def stop(self, why: str) -> None:
        """Send nothing any more; the first reason counts."""
        self.stopped = self.stopped or why

    def waits(self, now: float) -> tuple[Wait, ...]:
        """Return why requests that could be sent are waiting, lane by lane."""
        # In an order of their own: the turns change with every request.
        waits = [wait for lane in self.by_model.values() if (wait := _wait(lane, now)) is not None]
        if self.short is not None and self.stopped is None:
            left = sum(lane.open for lane in self._turns if lane.closed is None and not lane.held)
            said, _, _ = self.short.partition(";")
            waits.insert(0, Wait("", left, 0, f"{said}; `batchgen ctl FOLDER budget USD` raises it"))
        return tuple(waits)

    def _start(self, lane: Lane, job: Job, now: float) -> None:
        lane.start(now)
        self.in_flight += 1
        self._budget.reserve(job.reserve_microusd or 0)


def _wait(lane: Lane, now: float) -> Wait | None:
    if lane.closed is not None or lane.parked is not None:
        return None
    if lane.paused:
        return Wait(lane.model, lane.open, 0, "paused") if lane.open or not lane.fed else None
    if lane.breaker.is_open and lane.open:
        probe_s = lane.breaker.blocked_until(now) - now
        return Wait(
            lane.model,
            lane.open,
            min(probe_s, LONGEST_PROBE_S),
            "the model keeps failing, one request is tried at a time",
        )
    if lane.gate_until > now and lane.open:
        return Wait(lane.model, lane.open, lane.gate_until - now, "the service asked to wait")
    if lane.queued and (wait_s := lane.rate.wait_s(now)) > 1:
        return Wait(lane.model, lane.queued, wait_s, "rate limit")
    if not lane.queued and lane.open and lane.due() > now:
        return Wait(lane.model, lane.open, lane.due() - now, "back-off before a retry")
    return None
