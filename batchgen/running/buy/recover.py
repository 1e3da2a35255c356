"""What an earlier process left behind, settled before anything new is sent.

Answers that were written and not recorded are recorded; attempts noted as not billed wait to be sent; other requests
in flight become doubt; answers that nobody could read are read once more, by today's reader; answers that are no
pictures yet are handed over to be finished. All of it is free.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from batchgen.provider.arrival import from_rest
from batchgen.provider.interface import Answered, Provider
from batchgen.request import Generation, State, inputs_of, read_canonical
from batchgen.running.buy.purchase import bill_of, is_surely_unbilled, read_by
from batchgen.store.folder.kept_answers import kept_answers, read_kept, unbilled
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader, Unfinished, Unread
from batchgen.store.ledger.transitions import Bill, Outcome
from batchgen.version import __version__

_Attempt = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Recovered:
    """An answer that an earlier process paid for; ``generation`` is ``None`` if the body can't be read any more.

    ``asked`` says whether the plan still asks for the answer.
    """

    unfinished: Unfinished
    generation: Generation | None
    kept: Path | None
    asked: bool = True


@dataclass(frozen=True, slots=True)
class _Understood:
    """An answer that was kept unread, and holds pictures for today's reader."""

    unread: Unread
    bill: Bill
    generation: Generation


async def settle_the_past(ledger: Ledger, reader: Reader, folder: RunFolder, provider: Provider) -> int:
    """Settle answers and notes that were not recorded, put all else that was sent in doubt, and return how many."""
    bodies = await anyio.to_thread.run_sync(kept_answers, folder)
    in_flight = await anyio.to_thread.run_sync(reader.sent)
    sent = {(one.ticket.key, attempt_id): one.ticket for attempt_id, one in in_flight.items()}
    for attempt in bodies.keys() & sent.keys():
        text = await anyio.to_thread.run_sync(read_kept, bodies[attempt])
        if text is None:
            continue
        arrival = from_rest(text)
        asked = read_canonical(in_flight[attempt[1]].canonical)
        answer = read_by(provider, arrival, inputs_of(asked))
        if isinstance(answer, Answered):
            await ledger.answer(
                sent[attempt],
                bill=bill_of(answer.generation, sent[attempt]),
                body=None,
                kept=bodies[attempt],
                latency_ms=answer.generation.latency_ms,
                duration_ms=None,
            )
        elif is_surely_unbilled(answer):
            # It is asked for again: what the service said may have passed, and costs nothing.
            told = Outcome(State.WAITING, answer.reason, answer.message, answer.status)
            await ledger.fail(sent[attempt], told, duration_ms=None)
            await anyio.to_thread.run_sync(bodies[attempt].unlink)
        else:
            ticket, kept = sent[attempt], bodies[attempt].name
            doubt = Outcome(
                *(State.DOUBT, answer.reason, answer.message, answer.status),
                maybe_microusd=ticket.reserved_microusd,
                kept=kept,
            )
            await ledger.fail(ticket, doubt, duration_ms=None)
    notes = await anyio.to_thread.run_sync(unbilled, folder)
    for attempt in notes.keys() & sent.keys() - bodies.keys():
        message = "it was surely not billed; the ledger could not be written at the time"
        await ledger.fail(sent[attempt], Outcome(State.WAITING, "not_billed", message), duration_ms=None)
    await anyio.to_thread.run_sync(_remove_litter, bodies, notes, reader)
    return await ledger.doubt_what_was_sent()


async def read_again(ledger: Ledger, reader: Reader, folder: RunFolder, provider: Provider) -> None:
    """Read the answers without a known picture once more, and those of pictures whose bytes are gone."""
    for one in await anyio.to_thread.run_sync(lambda: list(_understood(reader, folder, provider))):
        await ledger.understand(
            one.unread.request_id,
            one.unread.attempt_id,
            bill=one.bill,
            kept=one.unread.answer,
            latency_ms=one.generation.latency_ms,
        )


def _understood(reader: Reader, folder: RunFolder, provider: Provider) -> Iterator[_Understood]:
    """Return the answers without a known picture in which today's reader finds one. Reads files: for a thread."""
    found: set[int] = set()
    for unread in reader.unread([attempt_id for _, attempt_id in kept_answers(folder)], version=__version__):
        text = read_kept(folder.answer(unread.answer)) if unread.answer else unread.body
        if text is None or unread.request_id in found:
            continue
        answer = read_by(provider, from_rest(text), inputs_of(read_canonical(unread.canonical)))
        if isinstance(answer, Answered) and not (unread.lost and _is_hosted(answer)):
            found.add(unread.request_id)
            bill = bill_of(answer.generation, unread)
            yield _Understood(unread, bill, answer.generation)


def _is_hosted(answer: Answered) -> bool:
    # What was stored once and is lost may be fetched for nothing, or not: whoever asks for it shall have it.
    return any(picture.url for picture in answer.generation.pictures)


def _remove_litter(bodies: Mapping[_Attempt, Path], notes: Mapping[_Attempt, Path], reader: Reader) -> None:
    """Remove the bodies of answers that became pictures, if a process was killed before that, and notes now taken."""
    stored = reader.finished(attempt_id for _, attempt_id in bodies)
    for (key, attempt_id), body in bodies.items():
        if stored.get(attempt_id) == key:
            body.unlink(missing_ok=True)
    for note in notes.values():
        note.unlink(missing_ok=True)


def unfinished_answers(reader: Reader, folder: RunFolder, provider: Provider, diff: PlanDiff) -> Iterator[Recovered]:
    """Return every paid answer that is no picture yet. Reads their bodies: for a thread."""
    found = reader.unfinished()
    asked = diff.asked([one.key for one in found])
    for unfinished in found:
        path = folder.answer(unfinished.answer) if unfinished.answer else None
        body = (read_kept(path) if path else None) or unfinished.body
        sent = inputs_of(read_canonical(unfinished.canonical))
        answer = read_by(provider, from_rest(body), sent) if body is not None else None
        generation = answer.generation if isinstance(answer, Answered) else None
        yield Recovered(unfinished, generation, path, unfinished.key in asked)
