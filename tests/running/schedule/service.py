"""A service and its lanes in virtual time: latencies, throttled answers, pauses, and a clock that jumps ahead."""

import heapq
import itertools
import random

from batchgen.request import State
from batchgen.running.schedule.lanes import Job, Lane, Lanes
from batchgen.running.schedule.progress_tracker import ProgressTracker
from batchgen.running.schedule.rate_limits import CUT_THROTTLED, ConcurrencyLimit, StartRate
from tests.running.jobs import job, lanes

TICK_S = 0.2


class Service:
    """Serves ``lanes`` as a run would; each model takes ``latency_s`` and throttles every nth answer of ``every``."""

    def __init__(self, chooser: Lanes, *, latency_s, every=None, held_s=1.0, jumps=()):
        self.lanes = chooser
        self.latency_s, self.every, self.held_s = latency_s, every or {}, held_s
        self.tracker = ProgressTracker(
            chooser, self, {m: lane.open for m, lane in chooser.by_model.items()}, whole=True
        )
        # What the clock of the machine is ahead of true time, from when on.
        self.jumps = dict(jumps)
        self.ahead_s = 0.0
        self.random = random.Random(7)
        self.answered = dict.fromkeys(chooser.by_model, 0)

    def expected(self, lane: Lane) -> float:
        return 0.0

    def run(self, until_s=10_000):
        """Yield the true time and the tracked, tick by tick, until nothing is left."""
        flying, order = [], itertools.count()
        for tick in itertools.count():
            true_s = tick * TICK_S
            for at_s in [at_s for at_s in self.jumps if at_s <= true_s]:
                self.ahead_s += self.jumps.pop(at_s)
            now = true_s + self.ahead_s
            while flying and flying[0][0] <= true_s:
                _, _, begun_s, one = heapq.heappop(flying)
                self._answer(one, now, true_s - begun_s)
            while isinstance(picked := self.lanes.pick(now), Job):
                self.tracker.started(picked.request.model)
                took_s = self.latency_s[picked.request.model] * self.random.lognormvariate(0, 0.3)
                heapq.heappush(flying, (true_s + took_s, next(order), true_s, picked))
            yield true_s, self.tracker.look(now)
            if self.lanes.done or true_s > until_s:
                return

    def _answer(self, one, now, latency_s):
        model = one.request.model
        lane = self.lanes.by_model[model]
        self.answered[model] += 1
        self.lanes._budget.settle(one.reserve_microusd)
        self.lanes.release(model)
        if self.answered[model] % self.every.get(model, 10**9) == 0:
            lane.limit.cut(CUT_THROTTLED, now)
            lane.hold_until(now + self.held_s)
            lane.wait(one, now + self.held_s + self.random.random())
            return
        lane.limit.succeeded(now)
        self.tracker.answered(model, latency_s)
        self.tracker.ended(model, State.STORED)


def adaptive(model, count, *, ceiling=24, rate=None):
    made = Lane(model, ConcurrencyLimit(ceiling, adaptive=True), rate or StartRate(None))
    made.add([job(f"{model}{number}", model) for number in range(count)])
    made.fed = True
    return made


def two_lanes(**more):
    """A fast model, and one that is throttled at every ninth answer and is the last by far."""
    chooser = lanes(adaptive("fast", 3000), adaptive("slow", 900))
    return Service(chooser, latency_s={"fast": 0.8, "slow": 1.5}, every={"slow": 9}, **more)
