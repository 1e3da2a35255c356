"""One run, from its first look at the ledger to its last recorded outcome.

What is in flight is paid for: nothing that goes wrong with one request, and no first signal, ever cancels another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import anyio
import anyio.to_thread

from batchgen.errors import BatchgenError, LedgerDamaged
from batchgen.planning.plan import Plan
from batchgen.planning.prices import PriceBook
from batchgen.provider.interface import Failed, Provider, Verdict
from batchgen.request import State
from batchgen.running.buy.budget import Budget, RetryTokens, Risk
from batchgen.running.buy.publish import Publisher
from batchgen.running.buy.purchase import Bought, NotBought, Purchase
from batchgen.running.buy.recover import Recovered
from batchgen.running.buy.retry import Again, Policy, StopLane, StopRun, Tries
from batchgen.running.buy.spill import Spill
from batchgen.running.events import Ended, Event, Listener, Notice, Progress, Retrying, Stopping
from batchgen.running.schedule.breaker import Refusals
from batchgen.running.schedule.feeder import Feeder, Selection
from batchgen.running.schedule.lanes import Job, Lane, Lanes
from batchgen.running.schedule.pool import Pool
from batchgen.running.schedule.rate_limits import CUT_LOST, CUT_THROTTLED
from batchgen.running.tidying import Tidying, Wanted
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.transitions import Outcome

PROGRESS_EVERY_S = 0.2
# Workers beyond the ceiling: they finish answers while the others keep the ceiling busy with requests.
_FINISHING = 8
_RECOVERING = 16
# The status of a key that may not do this: the first three answers alike end the run.
_FORBIDDEN = 403
# Before anything has ever answered, a service that can't be reached gets this long.
_UNREACHABLE_S = 15.0


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything a run works with: what is open for it, what it may do, and who listens."""

    plan: Plan
    provider: Provider
    ledger: Ledger
    reader: Reader
    folder: RunFolder
    room: DiskSpace
    lifeboat: Spill
    past: PlanDiff
    tidying: Tidying
    prices: PriceBook
    lanes: Sequence[Lane]
    ceiling: int
    budget: Budget
    risk: Risk
    policy: Policy
    selection: Selection
    run_id: int
    planned: int
    listen: Listener


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. ``passed`` counts, by state, what needed no sending; ``stopped`` says why it ended early.

    ``wanted_back`` are stored requests whose pictures lie in the trash; ``read_whole`` says that the feeder saw the
    whole plan. ``failure`` is a bug of ours or a damaged ledger, which count more than how the requests ended.
    ``unrecorded`` names the paid answers that the ledger could not take, and where they are.
    """

    ended: Counter[State]
    passed: Counter[State]
    equal: int
    sent: int
    stopped: str | None
    closed: dict[str, str]
    left: int
    wanted_back: tuple[Wanted, ...] = ()
    read_whole: bool = False
    unrecorded: tuple[str, ...] = ()
    failure: Exception | None = field(default=None, compare=False)


class Engine:
    """Runs a desk's plan once. :meth:`drain` and :meth:`cancel` may be called from other tasks meanwhile."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lanes = Lanes(desk.lanes, ceiling=desk.ceiling, budget=desk.budget)
        self._pool = Pool(self._lanes, self._work, workers=desk.ceiling + max(_FINISHING, desk.ceiling // 4))
        self._feeder = Feeder(
            desk.plan,
            desk.prices,
            desk.reader,
            desk.past,
            selection=desk.selection,
            policy=desk.policy,
            risk=desk.risk,
        )
        self._tokens = RetryTokens()
        self._forbidden = Refusals()
        self._finisher = Publisher(desk.provider, desk.ledger, desk.folder, desk.room, desk.tidying, self._tell)
        self._purchase = Purchase(
            desk.provider,
            desk.ledger,
            desk.folder,
            desk.room,
            desk.lifeboat,
            run_id=desk.run_id,
            policy=desk.policy,
            budget=desk.budget,
            risk=desk.risk,
            tokens=self._tokens,
            stopped=lambda: self._lanes.stopped is not None,
            let_go=self._let_go,
        )
        self._scope = anyio.CancelScope()
        self._ended: Counter[State] = Counter()
        self._sent = 0
        self._answered = False
        self._unreachable_since = math.inf
        self._failure: Exception | None = None

    @property
    def stopped(self) -> str | None:
        """Why nothing more is sent, once that is so."""
        return self._lanes.stopped

    def drain(self, why: str) -> None:
        """Sends nothing more; what is in flight lands."""
        if self._lanes.stopped is None:
            self._lanes.stop(why)
            self._tell(Stopping(why, self._lanes.in_flight, self._desk.budget.reserved_microusd))
        self._feeder.stop()
        self._pool.wake()

    def cancel(self) -> None:
        """Lets go of what is in flight: it is put in doubt, and the service finishes and bills it all the same."""
        self.drain("cancelled")
        self._scope.cancel()

    async def run(self, recovered: Sequence[Recovered]) -> Result:
        """Sends and finishes everything there is to send, and what ``recovered`` brings from earlier processes."""
        self._feeder.leave(one.unfinished.key for one in recovered)
        with self._scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._report)
                async with anyio.create_task_group() as work:
                    work.start_soon(self._finish_recovered, recovered)
                    work.start_soon(self._feed)
                    work.start_soon(self._send)
                tasks.cancel_scope.cancel()
        for message in self._desk.lifeboat.messages:
            self._tell(Notice(message))
        self._tell(self._progress())
        return self._result()

    async def _feed(self) -> None:
        try:
            await self._feeder.feed(self._desk.lanes, fed=self._pool.wake)
        except Exception as error:  # noqa: BLE001 - a row that went bad must not cancel what others have in flight
            self._give_up(error)

    async def _send(self) -> None:
        await self._pool.run()
        self._feeder.stop()

    async def _work(self, job: Job) -> None:
        """One job, on one worker; whatever goes wrong ends as a value in the ledger or as the end of the run."""
        self._feeder.noticed(self._lanes.by_model[job.request.model])
        if job.tries == Tries():
            self._tokens.earn()
        held = True

        def release() -> None:
            nonlocal held
            if held:
                held = False
                self._lanes.release(job.request.model)
                self._pool.wake()

        try:
            await self._buy(job, release)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not cancel what others have in flight
            self._give_up(error)
        finally:
            self._notice_disk()
            release()

    async def _buy(self, job: Job, release: Callable[[], None]) -> None:
        started = anyio.current_time()
        stem = self._desk.plan.stem(job.request)
        outcome = await self._purchase.buy(job, stem)
        match outcome:
            case Bought():
                self._sent += 1
                self._learn_success(job, outcome, started)
                release()
                await self._finish_bought(job, outcome, stem)
            case NotBought():
                self._sent += 1
                self._learn_failure(job, outcome)
                release()
            case _:
                self._lanes.by_model[job.request.model].breaker.unsent()
                release()

    def _learn_success(self, job: Job, bought: Bought, started: float) -> None:
        lane = self._lanes.by_model[job.request.model]
        lane.limit.succeeded(started)
        lane.breaker.succeeded(anyio.current_time())
        lane.refusals.succeeded()
        self._forbidden.succeeded()
        if bought.answer.rate_limit:
            lane.rate.heard(bought.answer.rate_limit, anyio.current_time())
        self._answered = True

    async def _finish_bought(self, job: Job, bought: Bought, stem: str) -> None:
        state = await self._finisher.finish(
            request_id=bought.ticket.request_id,
            key=job.key,
            model=job.request.model,
            stem=stem,
            pictures=bought.answer.generation.pictures,
            spooled=bought.spooled,
            billed_microusd=bought.bill.billed_microusd,
        )
        if state is State.STORED:
            self._feeder.forget(job.key)
        self._ended[state] += 1

    def _learn_failure(self, job: Job, outcome: NotBought) -> None:
        now = anyio.current_time()
        failed, lane = outcome.failed, self._lanes.by_model[job.request.model]
        if failed.rate_limit:
            lane.rate.heard(failed.rate_limit, now)
        if failed.verdict in {Verdict.THROTTLED, Verdict.OVERLOADED}:
            lane.limit.cut(CUT_THROTTLED, now)
        elif failed.verdict is Verdict.DOUBT:
            lane.limit.cut(CUT_LOST, now)
        lane.breaker.failed(failed.verdict, now)
        self._notice_unreachable(failed.reason, failed.message, now)
        self._notice_hopeless(lane, failed)
        self._follow(job, outcome, lane, now)

    def _follow(self, job: Job, outcome: NotBought, lane: Lane, now: float) -> None:
        failed = outcome.failed
        match outcome.next:
            case Again(wait_s, tries):
                if failed.verdict is Verdict.THROTTLED and failed.retry_after_s is not None:
                    lane.hold_until(now + failed.retry_after_s)
                lane.wait(Job(job.request, job.reserve_microusd, job.estimate_microusd, tries), now + wait_s)
                self._tell(Retrying(job.key, job.request.model, failed.reason, failed.message, wait_s))
                return
            case StopRun(why):
                self.drain(why)
            case StopLane(why):
                lane.closed = lane.closed or why
        self._end(job, outcome.ending)

    def _let_go(self, job: Job, ending: Outcome) -> None:
        self._sent += 1
        self._end(job, ending)

    def _end(self, job: Job, ending: Outcome) -> None:
        self._ended[ending.state] += 1
        self._tell(
            Ended(job.key, job.request.model, ending.state, None, ending.billed_microusd, ending.reason, ending.message)
        )

    def _give_up(self, error: Exception) -> None:
        """Ends the run because of ``error``; what is in flight lands."""
        match error:
            case LedgerDamaged():
                self._failure = error
                self.drain(str(error))
            case BatchgenError() | OSError() if self._desk.room.failed:
                # What failed first says more than what followed from it.
                self.drain(self._desk.room.failed)
            case BatchgenError():
                self.drain(str(error))
            case OSError():
                self.drain(f"the disk gave an error: {error}")
            case _:
                self._failure = self._failure or error
                self.drain(f"a bug in batchgen: {error!r}")

    def _tell(self, event: Event) -> None:
        try:
            self._desk.listen(event)
        except Exception as error:  # noqa: BLE001 - whoever listens must not cancel what is being paid for
            self._give_up(error)

    def _notice_disk(self) -> None:
        """A disk that failed may have been mended for what is in flight, and for nothing else."""
        if self._desk.room.failed is not None:
            self.drain(self._desk.room.failed)

    def _notice_unreachable(self, reason: str, message: str, now: float) -> None:
        """A service that has never answered and can't be connected to is a wrong address, not a passing fault."""
        if reason != "connect" or self._answered:
            self._answered = self._answered or reason != "connect"
            return
        self._unreachable_since = min(self._unreachable_since, now)
        if now - self._unreachable_since >= _UNREACHABLE_S:
            self.drain(f"the service can't be reached: {message}")

    def _notice_hopeless(self, lane: Lane, failed: Failed) -> None:
        """A model that refuses everything, or keeps failing for too long, is left; one that forbids us, the service."""
        if failed.status == _FORBIDDEN and (why := self._forbidden.noticed(failed)):
            self.drain(why)
        elif why := lane.refusals.noticed(failed):
            lane.closed = lane.closed or why
        elif lane.breaker.beyond(self._desk.policy.max_wait_s):
            lane.closed = lane.closed or f"it kept failing: {failed.message}"

    async def _finish_recovered(self, recovered: Sequence[Recovered]) -> None:
        todo = iter(recovered)

        async def finish_some() -> None:
            for one in todo:
                try:
                    await self._finish_one(one)
                except Exception as error:  # noqa: BLE001 - as in `_work`
                    self._give_up(error)
                self._notice_disk()

        async with anyio.create_task_group() as tasks:
            for _ in range(min(_RECOVERING, len(recovered))):
                tasks.start_soon(finish_some)

    async def _finish_one(self, one: Recovered) -> None:
        left = one.unfinished
        if one.generation is None:
            message = "the body of the paid answer can't be read any more"
            await self._desk.ledger.spoil(left.request_id, reason="body_lost", message=message, downloads=0)
            self._ended[State.SPOILED] += 1
            return
        state = await self._finisher.finish(
            request_id=left.request_id,
            key=left.key,
            model=left.model,
            stem=left.stem,
            pictures=one.generation.pictures,
            spooled=one.spooled,
            billed_microusd=0,
        )
        self._ended[state] += 1

    async def _report(self) -> None:
        while True:
            self._tell(self._progress())
            await anyio.sleep(PROGRESS_EVERY_S)

    def _progress(self) -> Progress:
        budget = self._desk.budget
        return Progress(
            total=self._desk.planned,
            done_before=sum(self._feeder.passed.values()) + self._feeder.equal,
            ended=dict(self._ended),
            in_flight=self._lanes.in_flight,
            billed_microusd=budget.billed_microusd,
            maybe_microusd=budget.maybe_microusd,
            estimated_microusd=budget.estimated_microusd,
            waits=self._lanes.waits(anyio.current_time()),
        )

    def _result(self) -> Result:
        return Result(
            ended=self._ended,
            passed=self._feeder.passed,
            equal=self._feeder.equal,
            sent=self._sent,
            stopped=self._lanes.stopped,
            closed={lane.model: lane.closed for lane in self._desk.lanes if lane.closed},
            left=sum(lane.open for lane in self._desk.lanes),
            wanted_back=tuple(self._feeder.wanted_back),
            read_whole=self._feeder.read_whole,
            unrecorded=tuple(self._desk.lifeboat.messages),
            failure=self._failure,
        )
