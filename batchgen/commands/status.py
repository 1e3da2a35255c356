"""The state of a run folder at this moment: from its ledger, and from what a run that goes on says of itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from batchgen.commands.job import run_folder_at
from batchgen.money import usd
from batchgen.request import State
from batchgen.running.events import Progress
from batchgen.running.progress_file import LiveState, read_live_state
from batchgen.store.folder.arriving_answers import left_arrived
from batchgen.store.folder.lock import holder
from batchgen.store.ledger import names, takes
from batchgen.store.ledger.control_log import Acknowledgement, recorded
from batchgen.store.ledger.pictures_at import pictures_at
from batchgen.store.ledger.plan_diff import Orphans
from batchgen.store.ledger.reader import Each, NewestRun, Reader, Spent
from batchgen.store.ledger.schema import reading
from batchgen.store.pictures.in_bucket import kept_here

# These requests need nothing more in the run they ended in.
_ENDED = frozenset({State.STORED, State.REFUSED, State.SPOILED, State.DOUBT})


@dataclass(frozen=True, slots=True)
class FolderStatus:
    """The state of a run folder. ``holder`` says who runs in it, and ``live`` what that run says of itself, if it does.

    ``control`` is what the newest run was told, and what became of it. ``pictures_at`` is the bucket of the folder's
    pictures, if they rest in one, and ``waiting`` of them are still on this disk. ``with_takes`` requests have other
    pictures than the one they show, and ``open_takes`` were asked for and are none yet.
    """

    folder: Path
    holder: str | None
    newest: NewestRun | None
    states: Mapping[State, int]
    reused: int
    spent: Spent
    deleted: int
    orphans: Orphans | None
    unread: int
    arrived: int
    each: Sequence[Each]
    live: LiveState | None
    control: Sequence[Acknowledgement]
    pictures_at: str | None = None
    waiting: int = 0
    with_takes: int = 0
    open_takes: int = 0

    @property
    def planned(self) -> int:
        return self.newest.planned if self.newest else 0

    @property
    def progress(self) -> Progress:
        """Return how far the run is; without a word of its own, as far as the ledger knows."""
        if self.live is not None:
            return self.live.progress
        ended = {state: count for state, count in self.states.items() if state in _ENDED}
        return Progress(
            total=max(self.planned, sum(ended.values())),
            done_before=0,
            ended=ended,
            in_flight=self.states.get(State.SENT, 0),
            billed_microusd=self.spent.billed_microusd,
            maybe_microusd=self.spent.maybe_microusd,
            estimated_microusd=self.spent.estimated_microusd,
            waits=(),
        )

    @property
    def share(self) -> float:
        """Return which share of the requests of the plan needs nothing more."""
        progress = self.progress
        done = progress.done_before + sum(progress.ended.values())
        return min(1.0, done / progress.total) if progress.total else 0.0

    def to_json(self) -> dict[str, object]:
        """Return all of it for programs."""
        progress = self.progress
        return {
            "folder": str(self.folder),
            "running": self.holder is not None,
            "holder": self.holder,
            "planned": self.planned,
            "states": {state.value: count for state, count in sorted(self.states.items())},
            "share": round(self.share, 4),
            "rate_per_s": progress.rate_per_s,
            "eta_s": progress.eta_s,
            "in_flight": progress.in_flight,
            "arrived": self.arrived,
            "budget_usd": None if progress.budget_microusd is None else usd(progress.budget_microusd),
            "budget_microusd": progress.budget_microusd,
            "billed_microusd": self.spent.billed_microusd,
            "billed_usd": usd(self.spent.billed_microusd),
            "maybe_billed_microusd": self.spent.maybe_microusd,
            "maybe_billed_usd": usd(self.spent.maybe_microusd),
            "estimated_microusd": self.spent.estimated_microusd,
            "estimated_usd": usd(self.spent.estimated_microusd),
            "pictures_at": self.pictures_at,
            "waiting_pictures": self.waiting,
            "requests_with_takes": self.with_takes,
            "open_takes": self.open_takes,
            "models": [asdict(lane) for lane in progress.lanes],
            "waits": [asdict(wait) for wait in progress.waits],
            "stopping": self.live.stopping if self.live else None,
            "step": asdict(self.live.step) if self.live and self.live.step else None,
            "as_of": _moment(self.live.written_s) if self.live else None,
            "control": [_acknowledgement(one) for one in self.control],
            "exit_code": self.newest.exit_code if self.newest and self.holder is None else None,
            "reason": self.newest.reason if self.newest and self.holder is None else None,
        }


def folder_status(folder: Path) -> FolderStatus:
    """Return the state of a run folder, also during a run; changes nothing. Raise :class:`LedgerDamaged`."""
    place = run_folder_at(folder)
    # Before the ledger: a run that ends meanwhile has written its end by then.
    running = holder(place.lock)
    with closing(Reader(place.ledger)) as reader:
        newest = reader.last_run()
        with reading(place.ledger):
            control = recorded(reader.db, newest.id) if newest else ()
            bucket = pictures_at(reader.db)
        return FolderStatus(
            folder=folder,
            holder=running,
            newest=newest,
            states=reader.count(),
            reused=reader.count_reused(),
            spent=reader.spent(),
            deleted=len(names.deleted(reader.db)),
            orphans=reader.orphans(),
            unread=reader.count_unread(),
            arrived=0 if running else len(left_arrived(place.answers)),
            each=reader.each(),
            live=read_live_state(place.progress) if running else None,
            control=control,
            pictures_at=bucket,
            waiting=len(kept_here(place)) if bucket else 0,
            with_takes=takes.count_with_others(reader.db),
            open_takes=takes.count_open(reader.db),
        )


def _acknowledgement(one: Acknowledgement) -> dict[str, object]:
    found = asdict(one)
    return {"at": _moment(found.pop("at_ms") / 1000), **found}


def _moment(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds")
