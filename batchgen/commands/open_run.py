"""A run folder, for reading: finished long ago, or going on at this moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchgen.commands.job import run_folder_at
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import Record, records, snapshot

if TYPE_CHECKING:
    from batchgen.report import Summary


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder, for reading. Made by :func:`open_run`."""

    folder: RunFolder

    def summary(self) -> Summary:
        """Return what ``summary.json`` says, of this moment."""
        from batchgen.report import summarise

        return summarise(self.folder)

    def records(self) -> Iterator[Record]:
        """Return every request that was touched, in the plan's order: its words, its money, its pictures."""
        with snapshot(self.folder.ledger) as db:
            yield from records(db)

    def _repr_html_(self) -> str:
        return self.summary()._repr_html_()


def open_run(folder: str | Path) -> Run:
    """Return the run in ``folder``. Raise :class:`UsageError` if that is no run folder.

    Raise :class:`LedgerDamaged` if its ledger is gone, or can't be read.
    """
    run_folder = run_folder_at(folder)
    with snapshot(run_folder.ledger):
        return Run(run_folder)
