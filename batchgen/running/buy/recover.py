"""What an earlier process left behind, settled before anything new is sent.

Bodies that were written and not recorded become answers; attempts noted as not billed wait to be sent; other requests
in flight become doubt; answers that are no pictures yet are handed over to be finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from batchgen.provider.interface import Answered, Provider
from batchgen.request import Generation, State
from batchgen.running.buy.purchase import bill_of
from batchgen.store.folder.kept_answers import kept_answers, unbilled
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader, Unfinished
from batchgen.store.ledger.transitions import Outcome

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


async def settle_the_past(ledger: Ledger, reader: Reader, folder: RunFolder, provider: Provider) -> int:
    """Settle bodies and notes that were not recorded, put all else that was sent in doubt, and return how many."""
    bodies = await anyio.to_thread.run_sync(kept_answers, folder)
    sent = {
        (ticket.key, attempt_id): ticket for attempt_id, ticket in (await anyio.to_thread.run_sync(reader.sent)).items()
    }
    for attempt in bodies.keys() & sent.keys():
        answer = provider.read(await anyio.to_thread.run_sync(bodies[attempt].read_bytes))
        if isinstance(answer, Answered):
            await ledger.answer(
                sent[attempt],
                bill=bill_of(answer.generation.cost_microusd, sent[attempt]),
                body=None,
                kept=bodies[attempt],
                latency_ms=answer.generation.latency_ms,
                duration_ms=None,
            )
    notes = await anyio.to_thread.run_sync(unbilled, folder)
    for attempt in notes.keys() & sent.keys() - bodies.keys():
        message = "it was surely not billed; the ledger could not be written at the time"
        await ledger.fail(sent[attempt], Outcome(State.WAITING, "not_billed", message), duration_ms=None)
    await anyio.to_thread.run_sync(_remove_litter, bodies, notes, reader)
    return await ledger.doubt_what_was_sent()


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
        body = path.read_bytes() if path and path.is_file() and not path.is_symlink() else unfinished.body
        answer = provider.read(body) if body is not None else None
        generation = answer.generation if isinstance(answer, Answered) else None
        yield Recovered(unfinished, generation, path, unfinished.key in asked)
