"""What an earlier process left behind, settled before anything new is sent.

Bodies it wrote and could not record become answers; what it noted as not billed waits to be sent; what else it had on
its way becomes doubt; answers that are no pictures yet are handed over to be finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from batchgen.provider.interface import Answered, Provider
from batchgen.request import Generation, State
from batchgen.running.buy.purchase import bill_of
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger
from batchgen.store.ledger.reader import Reader, Unfinished
from batchgen.store.ledger.transitions import Outcome
from batchgen.store.pictures.on_disk import spooled, unbilled


@dataclass(frozen=True, slots=True)
class Recovered:
    """An answer that an earlier process paid for; ``generation`` is ``None`` where its body can't be read any more."""

    unfinished: Unfinished
    generation: Generation | None
    spooled: Path | None


async def settle_the_past(ledger: Ledger, reader: Reader, folder: RunFolder, provider: Provider) -> int:
    """Settles bodies and notes that were not recorded, and doubts the rest of what was sent; returns how many."""
    bodies = await anyio.to_thread.run_sync(spooled, folder)
    sent = await anyio.to_thread.run_sync(reader.sent)
    for attempt_id in bodies.keys() & sent.keys():
        answer = provider.read(await anyio.to_thread.run_sync(bodies[attempt_id].read_bytes))
        if isinstance(answer, Answered):
            await ledger.answer(
                sent[attempt_id],
                bill=bill_of(answer.generation.cost_microusd, sent[attempt_id]),
                body=None,
                spooled=bodies[attempt_id],
                latency_ms=answer.generation.latency_ms,
                duration_ms=None,
            )
    notes = await anyio.to_thread.run_sync(unbilled, folder)
    for attempt_id in notes.keys() & sent.keys() - bodies.keys():
        message = "it was surely not billed; the ledger could not be written at the time"
        await ledger.fail(sent[attempt_id], Outcome(State.WAITING, "not_billed", message), duration_ms=None)
    await anyio.to_thread.run_sync(_remove_litter, bodies, notes, reader)
    return await ledger.doubt_what_was_sent()


def _remove_litter(bodies: Mapping[int, Path], notes: Mapping[int, Path], reader: Reader) -> None:
    """Removes the bodies of answers that became pictures, their process died before it could, and notes now taken."""
    for attempt_id in reader.finished(bodies):
        bodies[attempt_id].unlink(missing_ok=True)
    for note in notes.values():
        note.unlink(missing_ok=True)


def unfinished_answers(reader: Reader, folder: RunFolder, provider: Provider) -> Iterator[Recovered]:
    """Every paid answer that is not on disk yet. Reads their bodies: for a thread."""
    for unfinished in reader.unfinished():
        path = folder.spool / unfinished.spool if unfinished.spool else None
        body = path.read_bytes() if path and path.is_file() else unfinished.body
        answer = provider.read(body) if body is not None else None
        yield Recovered(unfinished, answer.generation if isinstance(answer, Answered) else None, path)
