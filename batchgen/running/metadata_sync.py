"""Describes what is kept as the manifest does today: rows may have moved, and columns changed, without buying anything.

It is done before anything is sent, once for every plan: what a run sends is described by its plan from the beginning.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice

import anyio.to_thread

from batchgen.errors import StoppedEarly
from batchgen.planning.compact_set import CompactSet
from batchgen.planning.plan import Plan
from batchgen.request import Request
from batchgen.running.tidying import Tidying
from batchgen.store.ledger import row_metadata
from batchgen.store.ledger.ledger import Ledger
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.row_metadata import Misnamed

_BATCH = 1_000


@dataclass(frozen=True, slots=True)
class Renewed:
    """How many requests had another description, and how many of their pictures another name."""

    described: int = 0
    renamed: int = 0


async def renew(plan: Plan, ledger: Ledger, reader: Reader, tidying: Tidying) -> Renewed:
    """Brings the ledger's descriptions up to ``plan``, and the pictures to the names that their user gives them there.

    Of equal requests the first one of the plan counts. Raises :class:`LedgerFailed`, or :class:`StoppedEarly` where the
    disk gives in.
    """
    fingerprint = plan.fingerprint
    if await anyio.to_thread.run_sync(row_metadata.describes, reader.db, fingerprint):
        return Renewed()
    count = 0
    misnamed: list[Misnamed] = []
    known = _known(plan, reader)
    while (some := await anyio.to_thread.run_sync(next, known, None)) is not None:
        if some.outdated:
            await ledger.change(partial(row_metadata.describe, requests=some.outdated))
            count += len(some.outdated)
        misnamed += some.misnamed
    try:
        renamed = await tidying.rename(misnamed)
    except OSError as error:
        raise StoppedEarly(f"pictures could not be given their new names: {error}. Nothing was sent") from error
    await ledger.change(partial(row_metadata.record_described, fingerprint=fingerprint))
    return Renewed(count, renamed)


@dataclass(frozen=True, slots=True)
class _Known:
    """Of some requests those that the ledger knows otherwise."""

    outdated: Sequence[Request]
    misnamed: Sequence[Misnamed]


def _known(plan: Plan, reader: Reader) -> Iterator[_Known]:
    """What has to be renewed, a thousand requests at a time; nothing is kept of the rest."""
    if not row_metadata.knows_any(reader.db):
        return
    seen = CompactSet()
    firsts = (request for request in plan if seen.add(request.key))
    while batch := list(islice(firsts, _BATCH)):
        yield _Known(row_metadata.outdated(reader.db, batch), row_metadata.misnamed(reader.db, batch))
