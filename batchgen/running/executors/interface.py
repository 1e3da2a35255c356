"""What every executor promises: a picture that was paid for is at rest before anybody hears of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batchgen.request import AnswerPicture
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.pictures.large_pictures import ArrivingPicture


@dataclass(frozen=True, slots=True)
class PaidPicture:
    """A picture on its way to rest, as number ``ordinal`` of the answer to ``key``; it has come, and is not hosted.

    ``request_id`` is the row of the ledger that was answered: of one key, several takes may have been bought.
    ``arrived`` is where a download lies on this disk, if it does.
    """

    request_id: int
    key: str
    ordinal: int
    picture: AnswerPicture
    arrived: ArrivingPicture | None = None


@dataclass(frozen=True, slots=True)
class AtRest:
    """A picture that is durable but for the names in ``folders``, which the ledger's writer syncs."""

    picture: StoredPicture
    folders: tuple[Path, ...]


class Executor(Protocol):
    """The place that puts pictures at rest."""

    async def serve(self) -> None:
        """Do what :meth:`put` asks for until cancelled; what is being put by then is ended first."""
        ...

    async def put(self, paid: PaidPicture) -> AtRest:
        """Put a picture at rest under its key.

        Raise :class:`NotAPicture` if the bytes are none, and :class:`OSError` if the disk fails.
        """
        ...
