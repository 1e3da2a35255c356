"""Keeps the lanes supplied from the plan: expands, hashes and looks up a few hundred requests at a time, in a thread.

Each lane reads the plan on its own, so a lane that is slow keeps nothing from the others, and no queue grows with the
size of the plan.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from batchgen.request import Request, State
from batchgen.running.buy.retry import LONGEST_BACKOFF_S, Policy, Tries, may_repeat
from batchgen.running.schedule.lanes import Job, Lane

if TYPE_CHECKING:
    from batchgen.running.desk import Desk
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.reader import KnownRequest

CHUNK = 500
# A lane is fed again when its queue is down to this many.
LOW_WATER = 250
# What a service asks for is noted with up to a tenth and half a second more.
_LONGEST_SPREAD = 1.2


class _Source(Iterator[Request]):
    """The requests of one lane, read from the plan; it counts the positions it has read."""

    def __init__(self, total: int, requests: Iterable[Request], takes: Callable[[Request], bool]) -> None:
        self.total = total
        self.read = 0
        self._requests = iter(requests)
        self._takes = takes

    def __next__(self) -> Request:
        for request in self._requests:
            self.read += 1
            if self._takes(request):
                return request
        raise StopIteration


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Requests to look at, after so many requests that were ``skipped`` because they are stored.

    Or further ``takes`` of stored requests, which are in no place of the plan.
    """

    skipped: int
    requests: Sequence[Request]
    stored: Collection[str]
    standings: Mapping[str, KnownRequest]
    takes: bool = False


def carried_wait_s(not_before_ms: int, wall_ms: int, policy: Policy) -> float:
    """Return what is left of a wait that an earlier run noted by the wall clock.

    Nothing, if that is longer than any wait ever noted: the clock was set back since then, and tells nothing of it.
    """
    left_s = (not_before_ms - wall_ms) / 1000
    longest_s = max(LONGEST_BACKOFF_S, _LONGEST_SPREAD * policy.max_wait_s)
    return left_s if 0 < left_s <= longest_s else 0.0


class Feeder:
    """The supply of one run's lanes. ``passed`` counts, by state, what the ledger says need not be sent."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._selection = desk.selection
        self._positions: Mapping[str, Sequence[int]] | None = None
        self._sources: dict[str, _Source] = {}
        self._takes: dict[str, list[Request]] = {}
        for take in filter(desk.selection.takes, desk.takes):
            self._takes.setdefault(take.model, []).append(take)
        self._made: Counter[str] = Counter()
        self._queued: set[str] = set()
        self._finishing: frozenset[str] = frozenset()
        self._left = desk.selection.limit
        self._hungry = anyio.Event()
        self._stopped = False
        self.passed: Counter[State] = Counter()
        self.equal = 0
        self.read_whole = False

    def noticed(self, lane: Lane) -> None:
        """Note that a job has left ``lane``, and feed the lane again once it has room."""
        if lane.queued <= LOW_WATER and not lane.fed:
            self._hungry.set()

    def expected(self, lane: Lane) -> float:
        """Return how many jobs the plan still has for ``lane``, judged by what was read of the plan."""
        if lane.fed or lane.closed is not None:
            return 0
        source = self._sources.get(lane.model)
        if source is None:
            jobs = float(self._desk.planned.get(lane.model, 0))
        else:
            share = self._made[lane.model] / source.read if source.read else 1.0
            jobs = (source.total - source.read) * share
        jobs += len(self._takes.get(lane.model, ()))
        return jobs if self._left is None else min(jobs, self._left)

    def leave(self, keys: Iterable[str]) -> None:
        """Leave out requests that are finished, and counted, from answers of an earlier process."""
        self._finishing = frozenset(keys)

    def stop(self) -> None:
        """Feed nothing any more."""
        self._stopped = True
        self._hungry.set()

    def forget(self, key: str) -> None:
        """Forget a request that is stored: the ledger refuses its equals from here on.

        Any other end is remembered for the whole run. An equal request further down may have been looked up before
        that end, and would be sent, and paid, once more.
        """
        self._queued.discard(key)

    async def feed(self, lanes: Sequence[Lane], *, fed: Callable[[], None]) -> None:
        """Feed until every lane has read the whole plan, or :meth:`stop`; call ``fed`` after each feeding.

        ``read_whole`` says afterwards whether every request of the plan was seen.
        """
        while not self._stopped and (unfed := [lane for lane in lanes if not lane.fed and lane.closed is None]):
            self._hungry = anyio.Event()
            low = [lane for lane in unfed if lane.queued <= LOW_WATER]
            for lane in low:
                await self._feed_one(lane)
                fed()
            if not low and not self._stopped:
                await self._hungry.wait()
        self.read_whole = self._selection.takes_all and all(lane.fed for lane in lanes)

    async def _feed_one(self, lane: Lane) -> None:
        if self._left == 0:
            lane.fed = True
            return
        chunk = await anyio.to_thread.run_sync(self._next_chunk, lane.model)
        self.passed[State.STORED] += chunk.skipped
        if not chunk.requests:
            lane.fed = True
            return
        # No further than the limit: what may be risked is spent when a job is made.
        made = (job for request in chunk.requests if (job := self._job(request, chunk)))
        jobs = list(itertools.islice(made, self._left))
        if self._left is not None:
            self._left -= len(jobs)
        if not chunk.takes:
            self._made[lane.model] += len(jobs)
        now, wall_ms = anyio.current_time(), now_ms()
        for job in jobs:
            self._queue(lane, job, chunk.standings.get(job.key), now, wall_ms)

    def _next_chunk(self, model: str) -> _Chunk:
        if takes := self._takes.pop(model, None):
            known = {key: standing for key, (_, standing) in self._desk.reader.open_takes().items()}
            return _Chunk(0, takes, frozenset(), known, takes=True)
        source = self._sources.get(model)
        if source is None:
            source = self._sources[model] = self._source(model)
        skipped = 0
        while True:
            requests = list(itertools.islice(source, CHUNK))
            keys = [request.key for request in requests]
            stored = self._desk.diff.stored(keys)
            rest = [key for key in keys if key not in stored]
            if rest or not requests or self._stopped:
                return _Chunk(skipped, requests, stored, self._desk.reader.standings(rest))
            # A chunk without anything to send wakes no worker.
            skipped += len(requests)

    def _source(self, model: str) -> _Source:
        if self._positions is None:
            self._positions = self._desk.plan.outline.by_model(self._to_read())
        positions = self._positions.get(model, ())
        return _Source(len(positions), self._desk.plan.at(positions), self._selection.takes)

    def _to_read(self) -> Sequence[int]:
        """Return the positions in the plan to look at; stored requests are passed over without being made."""
        whole = len(self._desk.plan.outline)
        if self._selection.only is not None:
            return range(whole)
        if self._selection.keys is None:
            self.passed[State.STORED] += whole - len(self._desk.diff.open_positions)
        return self._desk.diff.open_positions

    def _job(self, request: Request, chunk: _Chunk) -> Job | None:
        if request.key in chunk.stored:
            self.passed[State.STORED] += 1
            return None
        if request.key in self._finishing:
            return None
        if request.key in self._queued:
            self.equal += 1
            return None
        standing = chunk.standings.get(request.key)
        price = self._desk.prices.price_of(request)
        job = Job(
            request,
            reserve_microusd=price.high_microusd if price else None,
            estimate_microusd=price.expected_microusd if price else None,
            tries=Tries(doubts=standing.doubts if standing else 0),
            priced_by=self._desk.prices.priced_by(request),
        )
        if standing is None or standing.state in self._selection.again or self._is_sent_again(standing, job):
            # Twins further down the same chunk are equal to this one.
            self._queued.add(request.key)
            return job
        self.passed[standing.state] += 1
        return None

    def _is_sent_again(self, standing: KnownRequest, job: Job) -> bool:
        if standing.lost and self._selection.missing:
            return True
        match standing.state:
            case State.WAITING:
                return True
            case State.DOUBT:
                policy, risk, price = self._desk.policy, self._desk.risk, job.reserve_microusd
                return may_repeat(standing.doubts, policy, risk, price) and risk.take(price)
            case _:
                return False

    def _queue(self, lane: Lane, job: Job, standing: KnownRequest | None, now: float, wall_ms: int) -> None:
        wait_s = carried_wait_s(standing.not_before_ms, wall_ms, self._desk.policy) if standing else 0
        if wait_s > 0:
            lane.wait(job, now + wait_s)
        else:
            lane.add([job])
