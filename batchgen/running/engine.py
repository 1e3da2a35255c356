"""One run, from its first look at the ledger to its last recorded outcome.

What is in flight is paid for: nothing that goes wrong with one request, and no first signal, ever cancels another.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import anyio
import anyio.to_thread

from batchgen.errors import BatchgenError, LedgerDamaged, shortage_of
from batchgen.money import dollars
from batchgen.provider.interface import Failed, Verdict
from batchgen.request import State
from batchgen.running.buy.budget import RetryTokens
from batchgen.running.buy.publish import Paid, Published, Publisher
from batchgen.running.buy.purchase import Bought, NotBought, Purchase
from batchgen.running.buy.recover import Recovered
from batchgen.running.buy.retry import Again, StopLane, StopRun, Tries
from batchgen.running.control import Said
from batchgen.running.desk import Desk
from batchgen.running.events import Ended, Event, Notice, Progress, Retrying, Stopping
from batchgen.running.schedule.breaker import EQUAL_ANSWERS, Alike, kind_of
from batchgen.running.schedule.feeder import Feeder
from batchgen.running.schedule.lanes import Job, Lane, Lanes
from batchgen.running.schedule.pool import Pool
from batchgen.running.schedule.progress_tracker import ProgressTracker
from batchgen.running.schedule.rate_limits import CUT_LOST, CUT_THROTTLED, THROTTLED_FOR_S
from batchgen.running.steering import Steering, workers_for
from batchgen.store.ledger.control_log import Acknowledgement, record
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.transitions import Outcome

PROGRESS_EVERY_S = 0.2
# How often the disk is asked what a person wants of the run.
STEER_EVERY_S = 0.5
_RECOVERING = 16
# The status of a key that may not do this: the first three answers alike end the run.
_FORBIDDEN = 403
# After words of an empty account that has money: time for what is in flight to land, and free what it reserves.
SHORTAGE_WAIT_S = 5.0
# Before anything has ever answered, a service that can't be reached gets this long.
_UNREACHABLE_S = 15.0


@dataclass(frozen=True, slots=True)
class WorkDone:
    """The work of an engine. ``passed`` counts, by state, what needed no sending; ``stopped`` says why it ended early.

    ``read_whole`` says that the feeder saw the whole plan. ``failure`` is a bug of ours or a damaged ledger, which
    count more than how the requests ended. ``unrecorded`` names the paid answers that the ledger could not take, and
    where they are.
    """

    ended: Counter[State]
    passed: Counter[State]
    equal: int
    sent: int
    stopped: str | None
    closed: dict[str, str]
    left: int
    read_whole: bool = False
    unrecorded: tuple[str, ...] = ()
    failure: Exception | None = field(default=None, compare=False)


class Engine:
    """The engine that runs a desk's plan once. Other tasks may call :meth:`drain` and :meth:`cancel` meanwhile."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._lanes = Lanes(
            desk.lanes,
            ceiling=desk.ceiling,
            budget=desk.budget,
            waits_for_budget=desk.options.waits_for_budget,
        )
        self._pool = Pool(self._lanes, self._work, workers=workers_for(desk.ceiling))
        self._steering = Steering(desk, self._lanes, self._pool, drain=self.drain)
        self._feeder = Feeder(desk)
        self._tracker = ProgressTracker(self._lanes, self._feeder, desk.wanted, whole=desk.selection.takes_all)
        self._tokens = RetryTokens()
        self._forbidden = Alike()
        self._local = Alike(forgets=True)
        self._publisher = Publisher(desk, self._tell)
        self._purchase = Purchase(
            desk, tokens=self._tokens, stopped=lambda: self._lanes.stopped is not None, abandon=self._abandon
        )
        self._scope = anyio.CancelScope()
        self._ended: Counter[State] = Counter()
        self._sent = 0
        self._answered = False
        self._unreachable_since = math.inf
        self._failure: Exception | None = None

    @property
    def stopped(self) -> str | None:
        """Return why nothing more is sent, or ``None`` while requests are sent."""
        return self._lanes.stopped

    def drain(self, why: str) -> None:
        """Send nothing more, and let what is in flight land."""
        if self._lanes.stopped is None:
            self._lanes.stop(why)
            self._tell(Stopping(why, self._lanes.in_flight, self._desk.budget.reserved_microusd))
        self._feeder.stop()
        self._pool.wake()

    def cancel(self) -> None:
        """Abandon requests in flight: they are put in doubt, and the service finishes and bills them all the same."""
        self.drain("cancelled")
        self._scope.cancel()

    async def run(self, recovered: Sequence[Recovered]) -> WorkDone:
        """Send and finish everything there is to send, and what ``recovered`` brings from earlier processes."""
        self._feeder.leave(one.unfinished.key for one in recovered)
        for instruction, user in self._desk.control.standing:
            self._steering.follow(instruction, user)
        with self._scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._report)
                tasks.start_soon(self._steer)
                tasks.start_soon(self._publisher.serve)
                async with anyio.create_task_group() as work:
                    work.start_soon(self._finish_recovered, recovered)
                    work.start_soon(self._feed)
                    work.start_soon(self._send)
                tasks.cancel_scope.cancel()
        self._purchase.close()
        for message in self._desk.spill.messages:
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
        """Do one job on one worker; whatever fails ends as a value in the ledger or as the end of the run."""
        self._feeder.noticed(self._lanes.by_model[job.request.model])
        self._tracker.started(job.request.model)
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
        outcome = await self._purchase.buy(job, self._desk.plan.stem(job.request))
        match outcome:
            case Bought():
                self._sent += 1
                self._tracker.answered(job.request.model, anyio.current_time() - started)
                self._learn_answer(job, outcome)
                release()
                await self._publish(job, outcome, started)
            case NotBought():
                self._sent += 1
                self._learn_failure(job, await self._against_balance(job, outcome))
                release()
            case _:
                self._lanes.by_model[job.request.model].breaker.unsent()
                release()

    def _learn_answer(self, job: Job, bought: Bought) -> None:
        lane = self._lanes.by_model[job.request.model]
        lane.breaker.succeeded(anyio.current_time())
        lane.throttling.over()
        lane.cost(job, bought.bill.billed_microusd + bought.bill.estimated_microusd)
        if bought.answer.rate_limit:
            lane.rate.heard(bought.answer.rate_limit, anyio.current_time())
        self._answered = True

    async def _publish(self, job: Job, bought: Bought, started: float) -> None:
        published = await self._publisher.publish(
            Paid(
                bought.ticket.request_id,
                job.key,
                job.request.model,
                bought.answer.generation.pictures,
                bought.kept,
                bought.bill.billed_microusd,
            )
        )
        self._learn_published(published, self._lanes.by_model[job.request.model], started)
        if published.state is State.STORED:
            self._feeder.forget(job.key)
        self._count(job.request.model, published.state)

    def _learn_published(self, published: Published, lane: Lane | None, started: float) -> None:
        """Let limits grow on answers that brought pictures; stop for what keeps every picture away."""
        if published.state is State.STORED:
            self._local.succeeded()
            self._forbidden.succeeded()
            if lane is not None:
                lane.limit.succeeded(started)
                lane.alike.succeeded()
                lane.shortages = 0
            return
        if published.is_local and self._local.noticed(published.reason):
            self.drain(
                f"{EQUAL_ANSWERS} paid answers could not be made pictures on this machine: {published.message}. They "
                "are kept; once that is mended, running again finishes them without paying"
            )
        elif lane is not None and not published.is_local and lane.alike.noticed(published.reason):
            lane.closed = lane.closed or self._said_alike(published.message or "no picture")

    def _said_alike(self, message: str) -> str:
        return (
            f"the first {EQUAL_ANSWERS} answers brought no picture, all alike: {message}. They are kept below "
            f"{self._desk.folder.answers}, or in the ledger, and are read again by every run; "
            "`response_format: b64_json`, another setting or a plugin may mend it"
        )

    async def _against_balance(self, job: Job, outcome: NotBought) -> NotBought:
        """Hold the words of an empty account against the balance that the service states.

        ImageRouter passes on the words of its own suppliers, and reserves the highest price of every request in
        flight: with money left, one model is short and not the run.
        """
        if not isinstance(outcome.next, StopRun) or outcome.failed.reason != "insufficient_credits":
            return outcome
        self._lanes.holds += 1
        try:
            balance_microusd = await self._desk.provider.balance_microusd()
        finally:
            self._lanes.holds -= 1
        if balance_microusd is None or balance_microusd < max(1, job.reserve_microusd or 0):
            return outcome
        lane = self._lanes.by_model[job.request.model]
        lane.shortages += 1
        others = self._lanes.in_flight - 1
        if others and lane.shortages < EQUAL_ANSWERS:
            lane.limit.cut(CUT_THROTTLED, now := anyio.current_time())
            lane.hold_until(now + SHORTAGE_WAIT_S)
            return replace(outcome, next=Again(SHORTAGE_WAIT_S, job.tries))
        why = (
            f"{outcome.failed.message} (the account still has {dollars(balance_microusd)}: "
            "it is the service's supplier of this model that has none)"
        )
        return replace(outcome, next=StopLane(why))

    def _learn_failure(self, job: Job, outcome: NotBought) -> None:
        now = anyio.current_time()
        failed, lane = outcome.failed, self._lanes.by_model[job.request.model]
        if failed.rate_limit:
            lane.rate.heard(failed.rate_limit, now)
        if failed.verdict is not Verdict.THROTTLED:
            lane.throttling.over()
        if failed.verdict in {Verdict.THROTTLED, Verdict.OVERLOADED}:
            lane.limit.cut(CUT_THROTTLED, now)
        elif failed.verdict is Verdict.DOUBT:
            lane.limit.cut(CUT_LOST, now)
        lane.breaker.failed(failed.verdict, now)
        self._notice_unreachable(failed.reason, failed.message, now)
        self._follow(job, outcome, lane, now)
        self._notice_hopeless(lane, failed, now)

    def _follow(self, job: Job, outcome: NotBought, lane: Lane, now: float) -> None:
        failed = outcome.failed
        match outcome.next:
            case Again(wait_s, tries):
                if failed.verdict is Verdict.THROTTLED:
                    held_s = lane.throttling.noticed(now, failed.retry_after_s)
                    lane.hold_until(now + (held_s or 0))
                lane.wait(replace(job, tries=tries), now + wait_s)
                self._tell(Retrying(job.key, job.request.model, failed.reason, failed.message, wait_s))
                return
            case StopRun(why):
                self.drain(why)
            case StopLane(why):
                lane.closed = lane.closed or why
        self._end(job, outcome.outcome)

    def _abandon(self, job: Job, outcome: Outcome) -> None:
        self._sent += 1
        self._end(job, outcome)

    def _count(self, model: str, state: State) -> None:
        self._ended[state] += 1
        self._tracker.ended(model, state)

    def _end(self, job: Job, outcome: Outcome) -> None:
        self._count(job.request.model, outcome.state)
        self._tell(
            Ended(
                job.key,
                job.request.model,
                outcome.state,
                None,
                outcome.billed_microusd,
                outcome.reason,
                outcome.message,
            )
        )

    def _give_up(self, error: Exception) -> None:
        """End the run because of ``error``; what is in flight lands."""
        match error:
            case LedgerDamaged():
                self._failure = error
                self.drain(str(error))
            case BatchgenError() | OSError() if self._desk.space.failed:
                # What failed first says more than what followed from it.
                self.drain(self._desk.space.failed)
            case BatchgenError():
                self.drain(str(error))
            case OSError():
                self.drain(f"the disk gave an error: {error}")
            case _ if short := shortage_of(error):
                self.drain(short)
            case _:
                self._failure = self._failure or error
                self.drain(f"a bug in batchgen: {error!r}")

    def _tell(self, event: Event) -> None:
        try:
            self._desk.listen(event)
        except Exception as error:  # noqa: BLE001 - whoever listens must not cancel what is being paid for
            self._give_up(error)

    def _notice_disk(self) -> None:
        """Drain once a disk or a bucket has failed, even if it works again for what is in flight."""
        bucket = self._desk.bucket
        if failed := self._desk.space.failed or (bucket.failed if bucket else None):
            self.drain(failed)
        for said in bucket.news() if bucket else ():
            self._tell(Notice(said))

    def _notice_unreachable(self, reason: str, message: str, now: float) -> None:
        """Drain if the service never answered and can't be connected to: the address is wrong, the fault won't pass."""
        if reason != "connect" or self._answered:
            self._answered = self._answered or reason != "connect"
            return
        self._unreachable_since = min(self._unreachable_since, now)
        if now - self._unreachable_since >= _UNREACHABLE_S:
            self.drain(f"the service can't be reached: {message}")

    def _notice_hopeless(self, lane: Lane, failed: Failed, now: float) -> None:
        """Close the lane of a model that brings nothing, or nothing for too long; drain if the service forbids all."""
        kind = kind_of(failed)
        if failed.status == _FORBIDDEN and kind is not None:
            if self._forbidden.noticed(kind):
                self.drain(f"the first {EQUAL_ANSWERS} requests were all refused alike: {failed.message}")
        elif kind is not None and lane.alike.noticed(kind):
            refused = failed.verdict is Verdict.REFUSED
            why = f"the first {EQUAL_ANSWERS} requests were all refused alike: {failed.message}"
            lane.closed = lane.closed or (why if refused else self._said_alike(failed.message))
        elif lane.breaker.beyond(self._desk.policy.max_wait_s):
            lane.closed = lane.closed or f"the model kept failing: {failed.message}"
        elif lane.throttling.hopeless(now):
            minutes = round(THROTTLED_FOR_S / 60)
            lane.closed = lane.closed or f"nothing but throttled answers for {minutes} minutes: {failed.message}"

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
            message = "the paid answer is gone, or holds no picture that this batchgen finds"
            await self._desk.ledger.spoil(left.request_id, reason="no_picture", message=message, downloads=0)
            self._ended[State.SPOILED] += 1
            return
        pictures = one.generation.pictures
        paid = Paid(
            *(left.request_id, left.key, left.model, pictures, one.kept),
            billed_microusd=0,
            asked=one.asked,
            tried=left.downloads > 0,
            answered_ms=left.answered_ms,
        )
        published = await self._publisher.publish(paid)
        self._learn_published(published, self._lanes.by_model.get(left.model), math.inf)
        self._ended[published.state] += 1

    async def _report(self) -> None:
        while True:
            self._tell(self._progress())
            await anyio.sleep(PROGRESS_EVERY_S)

    async def _steer(self) -> None:
        """Follow what a person writes into the control file, as long as the run goes on."""
        threads = anyio.CapacityLimiter(1)
        while True:
            try:
                for said in await anyio.to_thread.run_sync(self._desk.control.news, limiter=threads):
                    await self._acknowledge(said)
                await anyio.to_thread.run_sync(self._desk.live.write, limiter=threads)
                self._notice_disk()
            except Exception as error:  # noqa: BLE001 - as in `_work`
                self._give_up(error)
            await anyio.sleep(STEER_EVERY_S)

    async def _acknowledge(self, said: Said) -> None:
        control = self._desk.control
        accepted, outcome = False, said.problem
        if said.instruction is not None:
            try:
                outcome, accepted = self._steering.follow(said.instruction, said.user), True
                control.standing.append((said.instruction, said.user))
            except ValueError as error:
                outcome = str(error)
        text = said.instruction.text if said.instruction else ""
        acknowledged = Acknowledgement(now_ms(), said.user, said.id, text, accepted, outcome)
        self._tell(Notice(f"{said.user}: {text}: {outcome}" if text else f"a line of the control file: {outcome}"))
        control.answered += 1
        change = partial(record, run_id=self._desk.run_id, number=control.answered, acknowledgement=acknowledged)
        with anyio.CancelScope(shield=True):
            await self._desk.ledger.change(change)

    def _progress(self) -> Progress:
        budget = self._desk.budget
        now = anyio.current_time()
        tracked = self._tracker.look(now)
        done_before = sum(self._feeder.passed.values()) + self._feeder.equal
        # Part of a plan ends where that part does: nobody waits for the rest.
        part = done_before + sum(self._ended.values()) + tracked.left
        whole = self._desk.count + len(self._desk.takes)
        return Progress(
            total=whole if self._desk.selection.takes_all else min(whole, part),
            done_before=done_before,
            ended=dict(self._ended),
            in_flight=self._lanes.in_flight,
            billed_microusd=budget.billed_microusd,
            maybe_microusd=budget.maybe_microusd,
            estimated_microusd=budget.estimated_microusd,
            waits=self._lanes.waits(now),
            lanes=tracked.lanes,
            rate_per_s=tracked.rate_per_s,
            eta_s=tracked.eta_s,
            budget_microusd=budget.cap_microusd,
        )

    def _result(self) -> WorkDone:
        return WorkDone(
            ended=self._ended,
            passed=self._feeder.passed,
            equal=self._feeder.equal,
            sent=self._sent,
            stopped=self._lanes.stopped,
            closed={lane.model: why for lane in self._desk.lanes if (why := _left_behind(lane))},
            left=sum(lane.open for lane in self._desk.lanes),
            read_whole=self._feeder.read_whole,
            unrecorded=tuple(self._desk.spill.messages),
            failure=self._failure,
        )


def _left_behind(lane: Lane) -> str | None:
    """Return why a lane did not come to its end, or ``None``."""
    if lane.closed is None and lane.parked is not None and not lane.exhausted:
        return f"parked by {lane.parked}"
    return lane.closed
