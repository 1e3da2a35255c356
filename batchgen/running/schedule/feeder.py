"""Keeps the lanes supplied from the plan: expands, hashes and looks up a few hundred requests at a time, in a thread.

Each lane reads the plan on its own, so a lane that is slow keeps nothing from the others, and no queue grows with the
size of the plan.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import anyio
import anyio.to_thread

from batchgen.planning.plan import Plan
from batchgen.planning.prices import PriceBook
from batchgen.request import Request, State
from batchgen.running.buy.budget import Risk
from batchgen.running.buy.retry import Policy, Tries, may_repeat
from batchgen.running.schedule.lanes import Job, Lane
from batchgen.running.tidying import Wanted
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import KnownRequest, Reader

CHUNK = 500
# A lane is fed again when its queue is down to this many.
LOW_WATER = 250


@dataclass(frozen=True, slots=True)
class Selection:
    """Which requests of a plan a run is about. ``again`` are the states the user asked to send once more.

    ``missing`` says that those whose files are gone are to be bought again too. ``keys`` are the only ones, where they
    are named; ``besides`` were seen to already.
    """

    again: frozenset[State] = frozenset()
    missing: bool = False
    limit: int | None = None
    only: Mapping[str, str] | None = None
    keys: frozenset[str] | None = None
    besides: frozenset[str] = frozenset()

    @property
    def takes_all(self) -> bool:
        """Whether it reads a plan to its end, and leaves out nothing of it."""
        return self.limit is None and self.only is None and self.keys is None

    def takes(self, request: Request) -> bool:
        """Whether the request has every value that ``only`` asks for, as an axis, a parameter or a column."""
        if request.key in self.besides or (self.keys is not None and request.key not in self.keys):
            return False
        return self.only is None or all(value == value_of(request, name) for name, value in self.only.items())


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Requests to look at, after so many that were ``skipped`` since they are stored."""

    skipped: int
    requests: Sequence[Request]
    stored: Collection[str]
    standings: Mapping[str, KnownRequest]


class Feeder:
    """Fills the lanes of one run. ``passed`` counts what the ledger says need not be sent, by its state."""

    def __init__(
        self,
        plan: Plan,
        prices: PriceBook,
        reader: Reader,
        past: PlanDiff,
        *,
        selection: Selection,
        policy: Policy,
        risk: Risk,
    ) -> None:
        self._plan = plan
        self._prices = prices
        self._reader = reader
        self._past = past
        self._selection = selection
        self._policy = policy
        self._risk = risk
        self._positions: Mapping[str, Sequence[int]] | None = None
        self._sources: dict[str, Iterator[Request]] = {}
        self._queued: set[str] = set()
        self._finishing: frozenset[str] = frozenset()
        self._left = selection.limit
        self._hungry = anyio.Event()
        self._stopped = False
        self.passed: Counter[State] = Counter()
        self.equal = 0
        self.wanted_back: list[Wanted] = []
        self.read_whole = False

    def noticed(self, lane: Lane) -> None:
        """A job has left ``lane``: feeds it again once it has room."""
        if lane.queued <= LOW_WATER and not lane.fed:
            self._hungry.set()

    def leave(self, keys: Iterable[str]) -> None:
        """These requests are being finished from answers of an earlier process: they are counted there."""
        self._finishing = frozenset(keys)

    def stop(self) -> None:
        """Feeds nothing any more."""
        self._stopped = True
        self._hungry.set()

    def forget(self, key: str) -> None:
        """The request is stored: the ledger refuses its equals from here on.

        Any other end is remembered for the whole run. An equal request further down may have been looked up before
        that end, and would be sent, and paid, once more.
        """
        self._queued.discard(key)

    async def feed(self, lanes: Sequence[Lane], *, fed: Callable[[], None]) -> None:
        """Feeds until every lane has read the whole plan, or :meth:`stop`; calls ``fed`` after each feeding.

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
        now, wall_ms = anyio.current_time(), now_ms()
        for job in jobs:
            self._queue(lane, job, chunk.standings.get(job.key), now, wall_ms)

    def _next_chunk(self, model: str) -> _Chunk:
        source = self._sources.get(model)
        if source is None:
            source = self._sources[model] = self._source(model)
        skipped = 0
        while True:
            requests = list(itertools.islice(source, CHUNK))
            keys = [request.key for request in requests]
            stored = self._past.stored(keys)
            rest = [key for key in keys if key not in stored]
            if rest or not requests or self._stopped:
                return _Chunk(skipped, requests, stored, self._reader.standings(rest))
            # Nothing here to send: read on, rather than wake everybody for it.
            skipped += len(requests)

    def _source(self, model: str) -> Iterator[Request]:
        if self._positions is None:
            self._positions = self._plan.outline.by_model(self._to_read())
        return filter(self._selection.takes, self._plan.at(self._positions.get(model, ())))

    def _to_read(self) -> Sequence[int]:
        """The places in the plan that have to be looked at: what is stored is passed over without being made."""
        whole = len(self._plan.outline)
        if self._selection.only is not None:
            return range(whole)
        if self._selection.keys is None:
            self.passed[State.STORED] += whole - len(self._past.open_positions)
        return self._past.open_positions

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
        price = self._prices.price_of(request)
        job = Job(
            request,
            reserve_microusd=price.high_microusd if price else None,
            estimate_microusd=price.expected_microusd if price else None,
            tries=Tries(doubts=standing.doubts if standing else 0),
        )
        if standing is None or standing.state in self._selection.again or self._may_send(standing, job):
            # Twins further down the same chunk are equal to this one.
            self._queued.add(request.key)
            return job
        self.passed[standing.state] += 1
        if standing.trashed:
            self.wanted_back.append(Wanted(request.key, self._plan.stem(request)))
        return None

    def _may_send(self, standing: KnownRequest, job: Job) -> bool:
        if standing.lost and self._selection.missing:
            return True
        match standing.state:
            case State.WAITING:
                return True
            case State.DOUBT:
                return may_repeat(standing.doubts, self._policy, self._risk, job.reserve_microusd)
            case _:
                return False

    @staticmethod
    def _queue(lane: Lane, job: Job, standing: KnownRequest | None, now: float, wall_ms: int) -> None:
        wait_s = (standing.not_before_ms - wall_ms) / 1000 if standing else 0
        if wait_s > 0:
            lane.wait(job, now + wait_s)
        else:
            lane.add([job])


def value_of(request: Request, name: str) -> str | None:
    """What a request has as an axis, a parameter or a column of that name; of an axis with titles, its title."""
    if name == "model":
        return request.model
    if name == "repeat":
        return str(request.repeat)
    return request.axes.get(name) or request.parameters.get(name) or request.columns.get(name)
