"""Gives up pictures whose files are gone, where their user asked for that: only then may they be paid for once more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from batchgen.planning.plan import Plan
from batchgen.request import number_of
from batchgen.store.folder import trash
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger, now_ms
from batchgen.store.ledger.reader import Reader

_MESSAGE = "its file was deleted from the folder, and its user asked for it again"


@dataclass(frozen=True, slots=True)
class Missing:
    """A stored request of which no file is left."""

    request_id: int
    model: str


def missing_of(plan: Plan, reader: Reader, folder: RunFolder) -> list[Missing]:
    """Those that ``plan`` asks for. For a thread: looks at every stored file."""
    # A request may have several pictures: while one of them is left it is not bought again.
    there: set[int] = set()
    gone: dict[int, tuple[int, str]] = {}
    for request_id, key, model, file in reader.db.execute(_STORED):
        if (folder.root / file).is_file():
            there.add(request_id)
        else:
            gone[request_id] = number_of(key), model
    lost = {number: Missing(one, model) for one, (number, model) in gone.items() if one not in there}
    return [lost[number] for number in {number for number in plan.outline.numbers if number in lost}]


async def give_up(missing: Sequence[Missing], ledger: Ledger) -> None:
    """Records them as lost. Raises :class:`LedgerFailed`."""
    for one in missing:
        lose = partial(trash.record_loss, request_id=one.request_id, message=_MESSAGE, now_ms=now_ms())
        await ledger.change(lose)


_STORED = """
SELECT r.id, r.key, r.model, p.file FROM pictures p JOIN requests r ON r.id = p.request_id
WHERE r.state = 'stored' AND p.home IS NULL
"""
