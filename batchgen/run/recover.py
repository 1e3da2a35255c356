"""What an earlier process left behind, settled before anything new is sent.

Bodies it wrote and could not record become answers; what it had on its way becomes doubt; answers that are no
pictures yet are handed over to be finished.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import anyio.to_thread

from batchgen.provider.interface import Answered, Provider
from batchgen.request import Generation
from batchgen.run.purchase import bill_of
from batchgen.store.folder import RunFolder
from batchgen.store.ledger import Ledger, Reader, Unfinished
from batchgen.store.shelf import spooled


@dataclass(frozen=True, slots=True)
class Recovered:
    """An answer that an earlier process paid for; ``generation`` is ``None`` where its body can't be read any more."""

    unfinished: Unfinished
    generation: Generation | None
    spooled: Path | None


async def settle_the_past(ledger: Ledger, reader: Reader, folder: RunFolder, provider: Provider) -> int:
    """Adopts bodies that were not recorded and doubts the rest of what was sent; returns how many that leaves."""
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
    await anyio.to_thread.run_sync(_remove_litter, bodies, reader)
    return await ledger.doubt_what_was_sent()


def _remove_litter(bodies: Mapping[int, Path], reader: Reader) -> None:
    """Removes the bodies of answers that became pictures; their process died before it could."""
    for attempt_id in reader.finished(bodies):
        bodies[attempt_id].unlink(missing_ok=True)


def unfinished_answers(reader: Reader, folder: RunFolder, provider: Provider) -> Iterator[Recovered]:
    """Every paid answer that is not on disk yet. Reads their bodies: for a thread."""
    for unfinished in reader.unfinished():
        path = folder.spool / unfinished.spool if unfinished.spool else None
        body = path.read_bytes() if path and path.is_file() else unfinished.body
        answer = provider.read(body) if body is not None else None
        yield Recovered(unfinished, answer.generation if isinstance(answer, Answered) else None, path)
