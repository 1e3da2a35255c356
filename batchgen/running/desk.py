"""Everything that is open for one run: what it works with, what it may do, and who listens."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchgen.planning.plan import Plan
    from batchgen.planning.prices import PriceBook
    from batchgen.provider.interface import Provider
    from batchgen.request import Request
    from batchgen.running.bucket_session import BucketSession
    from batchgen.running.buy.budget import Budget, Risk
    from batchgen.running.buy.retry import Policy
    from batchgen.running.buy.spill import Spill
    from batchgen.running.control import Control
    from batchgen.running.events import Listener
    from batchgen.running.options import Options
    from batchgen.running.progress_file import ProgressFile
    from batchgen.running.schedule.lanes import Lane
    from batchgen.running.schedule.selection import Selection
    from batchgen.store.folder.disk_space import DiskSpace
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.folder.view import View
    from batchgen.store.inputs.copies import InputCopies
    from batchgen.store.ledger.ledger import Ledger
    from batchgen.store.ledger.plan_diff import PlanDiff
    from batchgen.store.ledger.reader import Reader
    from batchgen.store.looks.ahead import LookAhead
    from batchgen.store.pictures.other_folders import Sources


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """The open session of a run. ``planned`` counts the requests of each model, ``takes`` are further ones of stored
    requests, which persons asked for.

    Money, lanes and the run's number come once nothing is in the way of a start any more. ``control`` is what a person
    says to the run while it goes on, and ``live`` what the run says of itself to other terminals. Pictures rest in
    ``bucket``, or on this disk.
    """

    plan: Plan
    provider: Provider
    folder: RunFolder
    prices: PriceBook
    options: Options
    listen: Listener
    planned: Mapping[str, int]
    space: DiskSpace
    ledger: Ledger
    reader: Reader
    diff: PlanDiff
    view: View
    copies: InputCopies
    sources: Sources
    spill: Spill
    control: Control
    live: ProgressFile
    looks: LookAhead
    policy: Policy
    selection: Selection
    budget: Budget
    risk: Risk
    bucket: BucketSession | None = None
    lanes: Sequence[Lane] = ()
    takes: Sequence[Request] = ()
    run_id: int = 0

    @property
    def ceiling(self) -> int:
        """Return how many requests may be in flight at once, in all lanes together."""
        return self.plan.manifest.limits.concurrency

    @property
    def wanted(self) -> Mapping[str, int]:
        """Return how many requests of each model the run looks at, equal ones counted each."""
        return Counter(self.planned) + Counter(take.model for take in self.takes)

    @property
    def count(self) -> int:
        """Return how many requests the plan has, equal ones counted each."""
        return sum(self.planned.values())
