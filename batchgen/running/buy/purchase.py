"""Sends one request once, in the order that makes it safe: intent, post, answer, and only then anything else.

Whatever ends an attempt is written to the ledger before its slot and its reserved money are free again.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import anyio
import anyio.lowlevel
import anyio.to_thread

from batchgen.errors import LedgerDamaged, LedgerFailed
from batchgen.money import plausible
from batchgen.provider.answer_sink import ANSWER_PLACE
from batchgen.provider.arrival import ENDING_AT, Arrival, from_head
from batchgen.provider.interface import Answer, Answered, Failed, Provider, Verdict
from batchgen.request import Generation, State, inputs_of
from batchgen.running.buy.budget import RetryTokens
from batchgen.running.buy.retry import Again, Leave, Next, after
from batchgen.running.desk import Desk
from batchgen.store.folder.arriving_answers import ArrivingAnswer, ArrivingAnswers
from batchgen.store.folder.kept_answers import LARGEST_ROW_BYTES, write_answer
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.transitions import TOKENS, Bill, Outcome, Ticket
from batchgen.tokens import PricedBy

if TYPE_CHECKING:
    from batchgen.running.schedule.lanes import Job

_CONFLICT = 409
_MAY_BE_BILLED = frozenset({Verdict.SPOILED, Verdict.DOUBT})


@dataclass(frozen=True, slots=True)
class Bought:
    """A paid answer, durable: its contents, and the file below ``answers/`` that holds the body if it is large."""

    ticket: Ticket
    answer: Answered
    bill: Bill
    kept: Path | None


@dataclass(frozen=True, slots=True)
class NotBought:
    """An attempt without a picture, recorded, and what follows from the attempt."""

    failed: Failed
    next: Next
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class NotSent:
    """An attempt that posted nothing: the ledger refused it, or the run was stopped meanwhile."""


class Purchase:
    """The buyer of one run's requests. ``abandon`` is told of requests under way when :meth:`buy` is cancelled.

    ``stopped`` says whether nothing more is to be sent.
    """

    def __init__(
        self,
        desk: Desk,
        *,
        tokens: RetryTokens,
        stopped: Callable[[], bool],
        abandon: Callable[[Job, Outcome], None],
    ) -> None:
        self._desk = desk
        self._tokens = tokens
        self._stopped = stopped
        self._abandon = abandon
        self._arriving = ArrivingAnswers(desk.folder, desk.space)

    def close(self) -> None:
        """Remove the files into which answers arrived, once nothing is under way any more."""
        self._arriving.close()

    async def buy(self, job: Job, stem: str) -> Bought | NotBought | NotSent:
        """Post the request of ``job`` at most once. Its price was reserved when the job was picked.

        Raise :class:`LedgerFailed` and :class:`OSError` if the disk fails.
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
            if inputs := job.request.inputs:
                # The file may be another one tomorrow: what a result was made from stays beside it.
                await anyio.to_thread.run_sync(self._desk.copies.keep, inputs)
            ticket = await self._desk.ledger.intend(
                job.request,
                stem=stem,
                run_id=self._desk.run_id,
                reserved_microusd=reserved,
                estimate_microusd=job.estimate_microusd,
                priced_by=job.priced_by,
            )
        finally:
            if ticket is None:
                self._desk.budget.settle(reserved)
        return ticket

    async def _send(self, job: Job, ticket: Ticket) -> Bought | NotBought:
        place = self._arriving.expect(ticket.key, ticket.attempt_id)
        try:
            sent = await self._sent(job, ticket, place)
        except BaseException:
            # What is in the file may be nowhere else.
            place.leave()
            raise
        place.release()
        return sent

    async def _sent(self, job: Job, ticket: Ticket, place: ArrivingAnswer) -> Bought | NotBought:
        started = anyio.current_time()
        try:
            came = await self._post(job, ticket, place)
        except BaseException as error:
            # Cancelled, or a bug of ours: either way the request may be at the service.
            with anyio.CancelScope(shield=True):
                await self._doubt(job, ticket, place, error, _elapsed_ms(started))
            raise
        duration_ms = _elapsed_ms(started)
        # The answer is paid for: nothing may keep it from the ledger now, not even the end of the run.
        recorded: Bought | NotBought
        with anyio.CancelScope(shield=True):
            if isinstance(came, Failed):
                recorded = await self._record_failure(job, ticket, came, None, place, duration_ms)
            elif isinstance(answer := read_by(self._desk.provider, came, inputs_of(job.request)), Answered):
                recorded = await self._record(ticket, answer, came, place, duration_ms)
            else:
                recorded = await self._record_failure(job, ticket, answer, came, place, duration_ms)
        return recorded

    async def _post(self, job: Job, ticket: Ticket, place: ArrivingAnswer) -> Arrival | Failed:
        # Heartbeats defeat every time-out between bytes: the whole call needs a time-out of its own.
        deadline_s = self._desk.policy.deadline_s_of(job.request.kind)
        arriving = ANSWER_PLACE.set(place)
        try:
            with anyio.move_on_after(deadline_s) as deadline:
                came = await self._desk.provider.generate(job.request, idempotency_key=ticket.idempotency_key)
        finally:
            ANSWER_PLACE.reset(arriving)
        if deadline.cancelled_caught:
            message = f"no answer within {deadline_s:g} s; the service may still finish and bill it"
            return _arrived(place, message) or Failed(Verdict.DOUBT, "deadline", message)
        return came

    async def _record(
        self, ticket: Ticket, answer: Answered, arrival: Arrival, place: ArrivingAnswer, duration_ms: int
    ) -> Bought:
        bill = bill_of(answer.generation, ticket)
        self._desk.budget.settle(
            ticket.reserved_microusd,
            billed_microusd=bill.billed_microusd,
            estimated_microusd=bill.estimated_microusd,
        )
        kept = await self._kept(ticket, arrival, place) if len(arrival.content) > LARGEST_ROW_BYTES else None
        body = arrival.at_rest() if kept is None else None
        try:
            await self._desk.ledger.answer(
                ticket,
                bill=bill,
                body=body,
                kept=kept,
                latency_ms=answer.generation.latency_ms,
                duration_ms=duration_ms,
            )
        except (LedgerFailed, LedgerDamaged):
            if body is not None:
                await anyio.to_thread.run_sync(self._desk.spill.take, ticket, body, answer.generation.pictures)
            raise
        return Bought(ticket, answer, bill, kept)

    async def _kept(self, ticket: Ticket, arrival: Arrival, place: ArrivingAnswer) -> Path | None:
        """Return the file that holds an answer; without a file, the answer belongs into the ledger's row."""
        try:
            if place.holds(arrival.content):
                write = partial(place.keep, ENDING_AT, arrival.ending())
            else:
                write = partial(write_answer, self._desk.folder, ticket.key, ticket.attempt_id, arrival.at_rest())
            return await anyio.to_thread.run_sync(self._desk.space.kept, write)
        except OSError as error:
            # The answer is paid for: the ledger may still have room if answers/ has none.
            self._desk.space.fail(error)
            return None

    async def _record_failure(
        self,
        job: Job,
        ticket: Ticket,
        failed: Failed,
        arrival: Arrival | None,
        place: ArrivingAnswer,
        duration_ms: int,
    ) -> NotBought:
        if failed.status == _CONFLICT and job.tries.doubts:
            # The service knows this idempotency key: the attempt before may have been carried out.
            failed = replace(failed, verdict=Verdict.DOUBT)
        decision = after(
            failed,
            job.tries,
            self._desk.policy,
            self._desk.risk,
            self._tokens,
            price_microusd=job.reserve_microusd,
            now=anyio.current_time(),
        )
        may_be_paid = arrival is not None and _may_be_paid(failed, arrival)
        kept = await self._kept(ticket, arrival, place) if arrival is not None and may_be_paid else None
        body = arrival.at_rest() if arrival is not None and kept is None else None
        outcome = _outcome(failed, decision, ticket, body, kept)
        await self._end(ticket, outcome, duration_ms, folders=[kept.parent] if kept is not None else [])
        return NotBought(failed, decision, outcome)

    async def _doubt(
        self, job: Job, ticket: Ticket, place: ArrivingAnswer, error: BaseException, duration_ms: int
    ) -> None:
        cancelled = isinstance(error, anyio.get_cancelled_exc_class())
        message = "cancelled while on its way" if cancelled else f"batchgen failed while it was on its way: {error!r}"
        arrived = _arrived(place, message)
        kept = await self._kept(ticket, arrived, place) if arrived is not None else None
        outcome = Outcome(
            *(State.DOUBT, "cancelled" if cancelled else "bug", message),
            maybe_microusd=ticket.reserved_microusd,
            kept=kept.name if kept is not None else None,
        )
        self._abandon(job, outcome)
        await self._end(ticket, outcome, duration_ms, folders=[kept.parent] if kept is not None else [])

    async def _withdraw(self, ticket: Ticket) -> None:
        outcome = Outcome(State.WAITING, "not_sent", "the run was stopped before this request was sent")
        with anyio.CancelScope(shield=True):
            await self._end(ticket, outcome, None)

    async def _end(
        self, ticket: Ticket, outcome: Outcome, duration_ms: int | None, *, folders: Sequence[Path] = ()
    ) -> None:
        try:
            await self._desk.ledger.fail(ticket, outcome, duration_ms=duration_ms, folders=folders)
        except (LedgerFailed, LedgerDamaged):
            if outcome.body is not None and outcome.billing != "not billed":
                await anyio.to_thread.run_sync(self._desk.spill.take, ticket, outcome.body, ())
            elif outcome.billing == "not billed":
                await anyio.to_thread.run_sync(self._desk.spill.note_unbilled, ticket)
            raise
        finally:
            self._desk.budget.settle(
                ticket.reserved_microusd,
                billed_microusd=outcome.billed_microusd,
                maybe_microusd=outcome.maybe_microusd,
                estimated_microusd=outcome.estimated_microusd,
            )


def read_by(provider: Provider, arrival: Arrival, sent: Collection[str]) -> Answer:
    """Return what ``provider`` makes of an answer."""
    try:
        return provider.read(arrival, sent=sent)
    except Exception as error:  # noqa: BLE001 - a bug of a reader, or of a plugin's, must not cost what has arrived
        return Failed(Verdict.DOUBT, "bug", f"the answer could not be read: {error!r}", arrival.status)


class _Estimated(Protocol):
    @property
    def estimate_microusd(self) -> int | None: ...

    @property
    def priced_by(self) -> PricedBy | None: ...


def bill_of(generation: Generation, ticket: _Estimated) -> Bill:
    """Return the bill of an answer: its stated cost if plausible, else an estimate, flagged with the reason.

    Tokens that the service stated, at prices that it did not, make the best estimate; else it is the expected price.
    """
    cost_microusd, usage, priced_by = generation.cost_microusd, generation.usage, ticket.priced_by
    if cost_microusd is not None and plausible(cost_microusd, ticket.estimate_microusd):
        return Bill(
            billed_microusd=cost_microusd, flag=generation.cost_flag, source=generation.cost_source, usage=usage
        )
    flag = "not stated" if cost_microusd is None else "implausible"
    of_tokens = priced_by.rates.cost_microusd(usage) if priced_by and priced_by.rates and usage else None
    if of_tokens is not None and plausible(of_tokens, ticket.estimate_microusd):
        return Bill(estimated_microusd=of_tokens, flag=flag, source=TOKENS, usage=usage)
    source = priced_by.source if priced_by else None
    return Bill(estimated_microusd=ticket.estimate_microusd or 0, flag=flag, source=source, usage=usage)


def _arrived(place: ArrivingAnswer, cut: str) -> Arrival | None:
    """Return what had arrived of an answer when nobody waited for it any more; ``None`` if nothing had."""
    if place.is_blank:
        return None
    arrival = from_head(place.head, place.view())
    return replace(arrival, cut=cut) if arrival.cut else arrival


def is_surely_unbilled(failed: Failed) -> bool:
    """Return whether nothing was paid for an attempt."""
    return failed.verdict not in _MAY_BE_BILLED and not failed.maybe_billed and not failed.cost_microusd


def _may_be_paid(failed: Failed, arrival: Arrival) -> bool:
    """Return whether an answer without a known picture is kept whole in a file: money may be in it."""
    return failed.verdict in _MAY_BE_BILLED or len(arrival.content) > LARGEST_ROW_BYTES


def _outcome(failed: Failed, decision: Next, ticket: Ticket, body: bytes | None, kept: Path | None) -> Outcome:
    """Return how an attempt ended; without a stated cost, nobody knows what an answer without a picture cost."""
    stated = failed.cost_microusd is not None and plausible(failed.cost_microusd, ticket.estimate_microusd)
    # A gateway's zero says nothing of what the service behind it charged.
    stated = stated and failed.verdict is not Verdict.DOUBT
    unknown = failed.verdict in _MAY_BE_BILLED or failed.maybe_billed
    return Outcome(
        state=_state(failed, decision),
        reason=failed.reason,
        message=failed.message,
        status=failed.status,
        billed_microusd=failed.cost_microusd or 0 if stated else 0,
        source=failed.cost_source if stated else None,
        maybe_microusd=ticket.reserved_microusd if unknown and not stated else 0,
        not_before_ms=now_ms() + round(decision.wait_s * 1000) if isinstance(decision, Again) else None,
        body=body,
        kept=kept.name if kept is not None else None,
    )


def _state(failed: Failed, decision: Next) -> State:
    match decision:
        case Leave(state):
            return state
        case Again() if failed.verdict is Verdict.DOUBT:
            # If the process is killed during the wait, nobody knows the outcome of the request.
            return State.DOUBT
        case _:
            return State.WAITING


def _elapsed_ms(started: float) -> int:
    return round((anyio.current_time() - started) * 1000)
