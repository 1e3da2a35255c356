"""Sends one request once, in the order that makes it safe: intent, post, answer, and only then anything else.

Whatever ends an attempt is written to the ledger before its slot and its reserved money are free again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread

from batchgen.errors import LedgerDamaged
from batchgen.money import plausible
from batchgen.provider.interface import Answer, Answered, Failed, Provider, Verdict
from batchgen.request import State
from batchgen.running.buy.budget import Budget, RetryTokens, Risk
from batchgen.running.buy.retry import Again, Leave, Next, Policy, after
from batchgen.running.buy.spill import Spill
from batchgen.running.schedule.lanes import Job
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger, now_ms
from batchgen.store.ledger.transitions import Bill, Outcome, Ticket
from batchgen.store.ledger.writer import LedgerFailed
from batchgen.store.pictures.on_disk import LARGEST_ROW_BYTES, spool


@dataclass(frozen=True, slots=True)
class Bought:
    """A paid answer, durable: what it holds, and the spool file it lies in where it is a large one."""

    ticket: Ticket
    answer: Answered
    bill: Bill
    spooled: Path | None


@dataclass(frozen=True, slots=True)
class NotBought:
    """An attempt without a picture, recorded, and what follows from it."""

    failed: Failed
    next: Next
    ending: Outcome


@dataclass(frozen=True, slots=True)
class NotSent:
    """Nothing was posted: the ledger knew better, or the run was stopped meanwhile."""


class Purchase:
    """Buys requests for one run. ``let_go`` is told of those that were under way when :meth:`buy` was broken off.

    ``lifeboat`` takes the paid answers that the ledger can't record any more.
    """

    def __init__(
        self,
        provider: Provider,
        ledger: Ledger,
        folder: RunFolder,
        room: DiskSpace,
        lifeboat: Spill,
        *,
        run_id: int,
        policy: Policy,
        budget: Budget,
        risk: Risk,
        tokens: RetryTokens,
        stopped: Callable[[], bool],
        let_go: Callable[[Job, Outcome], None],
    ) -> None:
        self._provider = provider
        self._ledger = ledger
        self._folder = folder
        self._room = room
        self._lifeboat = lifeboat
        self._run_id = run_id
        self._policy = policy
        self._budget = budget
        self._risk = risk
        self._tokens = tokens
        self._stopped = stopped
        self._let_go = let_go

    async def buy(self, job: Job, stem: str) -> Bought | NotBought | NotSent:
        """Posts the request of ``job`` at most once. Its price was reserved when the job was picked.

        Raises :class:`LedgerFailed` and :class:`OSError` where the disk gives in.
        """
        # What is in flight lands or is put in doubt whole: a cancelled intent would stay *sent* for ever.
        with anyio.CancelScope(shield=True):
            ticket = await self._intend(job, stem)
        if ticket is None:
            return NotSent()
        try:
            await anyio.lowlevel.checkpoint_if_cancelled()
        except BaseException:
            await self._withdraw(ticket)
            raise
        if self._stopped():
            await self._withdraw(ticket)
            return NotSent()
        return await self._send(job, ticket)

    async def _intend(self, job: Job, stem: str) -> Ticket | None:
        reserved = job.reserve_microusd or 0
        ticket = None
        try:
            ticket = await self._ledger.intend(
                job.request,
                stem=stem,
                run_id=self._run_id,
                reserved_microusd=reserved,
                estimate_microusd=job.estimate_microusd,
            )
        finally:
            if ticket is None:
                self._budget.settle(reserved)
        return ticket

    async def _send(self, job: Job, ticket: Ticket) -> Bought | NotBought:
        started = anyio.current_time()
        try:
            answer = await self._post(job, ticket)
        except BaseException as error:
            # Cancelled, or a bug of ours: either way the request may be at the service.
            with anyio.CancelScope(shield=True):
                await self._doubt(job, ticket, error, _elapsed_ms(started))
            raise
        duration_ms = _elapsed_ms(started)
        # The answer is paid for: nothing may keep it from the ledger now, not even the end of the run.
        recorded: Bought | NotBought
        with anyio.CancelScope(shield=True):
            if isinstance(answer, Answered):
                recorded = await self._record(ticket, answer, duration_ms)
            else:
                recorded = await self._record_failure(job, ticket, answer, duration_ms)
        return recorded

    async def _post(self, job: Job, ticket: Ticket) -> Answer:
        # Heartbeats defeat every time-out between bytes: the whole call needs one of its own.
        deadline_s = self._policy.deadline_s_of(job.request.kind)
        with anyio.move_on_after(deadline_s) as deadline:
            answer = await self._provider.generate(job.request, idempotency_key=ticket.idempotency_key)
        if deadline.cancelled_caught:
            message = f"no answer within {deadline_s:g} s; the service may still finish and bill it"
            return Failed(Verdict.DOUBT, "deadline", message)
        return answer

    async def _record(self, ticket: Ticket, answer: Answered, duration_ms: int) -> Bought:
        bill = bill_of(answer.generation.cost_microusd, ticket)
        self._budget.settle(
            ticket.reserved_microusd,
            billed_microusd=bill.billed_microusd,
            estimated_microusd=bill.estimated_microusd,
        )
        spooled = await self._spooled(ticket, answer.body)
        try:
            await self._ledger.answer(
                ticket,
                bill=bill,
                body=answer.body if spooled is None else None,
                spooled=spooled,
                latency_ms=answer.generation.latency_ms,
                duration_ms=duration_ms,
            )
        except (LedgerFailed, LedgerDamaged):
            if spooled is None:
                await anyio.to_thread.run_sync(self._lifeboat.take, ticket, answer)
            raise
        return Bought(ticket, answer, bill, spooled)

    async def _spooled(self, ticket: Ticket, body: bytes) -> Path | None:
        """The file that holds a large body; without one, the body belongs into the ledger's row."""
        if len(body) <= LARGEST_ROW_BYTES:
            return None
        try:
            write = partial(spool, self._folder, ticket.attempt_id, body)
            return await anyio.to_thread.run_sync(self._room.kept, write)
        except OSError as error:
            # It is paid for: the ledger may still have room where the spool has none.
            self._room.fail(error)
            return None

    async def _record_failure(self, job: Job, ticket: Ticket, failed: Failed, duration_ms: int) -> NotBought:
        decided = after(
            failed,
            job.tries,
            self._policy,
            self._risk,
            self._tokens,
            price_microusd=job.reserve_microusd,
            now=anyio.current_time(),
        )
        ending = _ending(failed, decided, ticket)
        await self._end(ticket, ending, duration_ms)
        return NotBought(failed, decided, ending)

    async def _doubt(self, job: Job, ticket: Ticket, error: BaseException, duration_ms: int) -> None:
        cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        message = "cancelled while on its way" if cancelled else f"batchgen failed while it was on its way: {error!r}"
        ending = Outcome(
            State.DOUBT, "cancelled" if cancelled else "bug", message, maybe_microusd=ticket.reserved_microusd
        )
        self._let_go(job, ending)
        await self._end(ticket, ending, duration_ms)

    async def _withdraw(self, ticket: Ticket) -> None:
        ending = Outcome(State.WAITING, "not_sent", "the run was stopped before this request was sent")
        with anyio.CancelScope(shield=True):
            await self._end(ticket, ending, None)

    async def _end(self, ticket: Ticket, ending: Outcome, duration_ms: int | None) -> None:
        try:
            await self._ledger.fail(ticket, ending, duration_ms=duration_ms)
        except (LedgerFailed, LedgerDamaged):
            if ending.outcome == "not billed":
                await anyio.to_thread.run_sync(self._lifeboat.note_unbilled, ticket)
            raise
        finally:
            self._budget.settle(
                ticket.reserved_microusd,
                billed_microusd=ending.billed_microusd,
                maybe_microusd=ending.maybe_microusd,
                estimated_microusd=ending.estimated_microusd,
            )


def bill_of(cost_microusd: int | None, ticket: Ticket) -> Bill:
    """What an answer counts for: its stated cost where that can be believed, else the estimate, and says why."""
    if cost_microusd is not None and plausible(cost_microusd, ticket.estimate_microusd):
        return Bill(billed_microusd=cost_microusd)
    flag = "not stated" if cost_microusd is None else "implausible"
    return Bill(estimated_microusd=ticket.estimate_microusd or 0, flag=flag)


def _ending(failed: Failed, decided: Next, ticket: Ticket) -> Outcome:
    spoiled, doubt = failed.verdict is Verdict.SPOILED, failed.verdict is Verdict.DOUBT
    billed = bill_of(failed.cost_microusd, ticket) if spoiled else Bill()
    return Outcome(
        state=_state(failed, decided),
        reason=failed.reason,
        message=failed.message,
        status=failed.status,
        billed_microusd=billed.billed_microusd,
        estimated_microusd=billed.estimated_microusd,
        maybe_microusd=ticket.reserved_microusd if doubt else 0,
        not_before_ms=now_ms() + round(decided.wait_s * 1000) if isinstance(decided, Again) else None,
        body=failed.body,
    )


def _state(failed: Failed, decided: Next) -> State:
    match decided:
        case Leave(state):
            return state
        case Again() if failed.verdict is Verdict.DOUBT:
            # Killed during the wait, it is still a request nobody knows the outcome of.
            return State.DOUBT
        case _:
            return State.WAITING


def _elapsed_ms(started: float) -> int:
    return round((anyio.current_time() - started) * 1000)
