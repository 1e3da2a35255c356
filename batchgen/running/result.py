"""How a run ended: its reason, its exit code, and the folder tidied once nothing is on its way any more."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.errors import BatchgenError, ExitCode, LedgerDamaged
from batchgen.money import dollars
from batchgen.request import State
from batchgen.running.engine import Desk, Result
from batchgen.running.events import Notice
from batchgen.running.options import Options
from batchgen.running.signals import EXIT_CODES
from batchgen.store.ledger.plan_diff import Orphans
from batchgen.store.ledger.retired import Doubts
from batchgen.store.ledger.writer import LedgerFailed

# The reasons a run gives when a signal stopped it, and what the shell expects of each.
_SIGNALS = {number.name: code for number, code in EXIT_CODES.items()}

# Exit codes of a run that came to its plan's end.
_FINISHED = frozenset({ExitCode.STORED, ExitCode.FAILURES, ExitCode.DOUBT})


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended, and with which exit code.

    ``orphans`` are known where the whole plan was read; ``pruned`` of them were moved to the trash, and ``returned``
    requests came back from it. ``reused`` ones were taken from other folders. ``withdrawn`` ones had ended without a
    picture, and are not asked for any more. ``renewed`` ones stand elsewhere in the manifest, or have other columns.
    """

    run_id: int
    result: Result
    exit_code: ExitCode
    reason: str | None
    orphans: Orphans | None = None
    pruned: int = 0
    returned: int = 0
    reused: int = 0
    withdrawn: int = 0
    renewed: int = 0

    @property
    def stored(self) -> int:
        """Pictures' requests that were finished in this run."""
        return self.result.ended[State.STORED]

    @property
    def changed(self) -> bool:
        """Whether the ledger holds anything that it did not hold before."""
        done = self.result.sent or self.result.ended.total() or self.reused
        return bool(done or self.pruned or self.result.wanted_back or self.withdrawn)


async def finished(desk: Desk, result: Result, options: Options) -> Finished:
    """Tidies the folder and records in the ledger how the run ended."""
    reason = _reason(result)
    code = _exit_code(result, reason)
    tidied = _Tidied()
    try:
        tidied = await _tidied(desk, result, prune=options.prune and code in _FINISHED and result.read_whole)
        if tidied.doubts and tidied.doubts.count:
            code = ExitCode.DOUBT if code in _FINISHED else code
            desk.listen(Notice(_said_of(tidied.doubts)))
        orphans = tidied.orphans.to_json() if tidied.orphans else None
        await desk.ledger.end_run(desk.run_id, exit_code=code, reason=reason, orphans=orphans)
    except OSError as error:
        reason = reason or f"the disk gave an error while files were moved: {error}"
        code = ExitCode.STOPPED if code in _FINISHED else code
    except (LedgerFailed, LedgerDamaged) as error:
        # How the run ended is owed to its user all the same.
        reason = reason or str(error)
        if isinstance(error, LedgerDamaged) or code in _FINISHED:
            code = error.exit_code
    return Finished(
        desk.run_id, result, code, reason, tidied.orphans, tidied.pruned, tidied.returned, withdrawn=tidied.withdrawn
    )


@dataclass(frozen=True, slots=True)
class _Tidied:
    orphans: Orphans | None = None
    pruned: int = 0
    returned: int = 0
    withdrawn: int = 0
    doubts: Doubts | None = None


async def _tidied(desk: Desk, result: Result, *, prune: bool) -> _Tidied:
    """Brings back what the plan asks for again, and sees to what it no longer asks for."""
    # A disk or a ledger that has failed is left alone: the next run does all of this.
    if desk.room.failed is not None or result.failure is not None:
        return _Tidied()
    returned = [await desk.tidying.bring_back(wanted) for wanted in result.wanted_back]
    pruned = await desk.tidying.prune() if prune else 0
    orphans = await desk.tidying.orphans()
    withdrawn = await desk.tidying.withdraw()
    doubts = await desk.tidying.new_doubts(desk.run_id)
    await desk.tidying.finish()
    return _Tidied(orphans, pruned, sum(returned), withdrawn, doubts)


def _said_of(doubts: Doubts) -> str:
    many = doubts.count != 1
    who, them = ("requests in doubt are", "they") if many else ("request in doubt is", "it")
    return (
        f"{doubts.count:,} {who} no longer in the manifest: {them} may have cost {dollars(doubts.maybe_microusd)}, and "
        f"{'stay' if many else 'stays'} in failures.jsonl"
    )


def _reason(result: Result) -> str | None:
    """Why the run ended before its plan did, if it did."""
    if result.stopped is not None:
        return result.stopped
    if result.closed:
        return "; ".join(f"{model}: {why}" for model, why in result.closed.items())
    left = []
    if waiting := result.ended[State.WAITING]:
        left.append(f"{waiting} requests still fail after all their tries; running again goes on with them")
    if answered := result.ended[State.ANSWERED]:
        left.append(f"{answered} paid pictures could not be fetched yet; running again fetches them without paying")
    return "; ".join(left) or None


def _exit_code(result: Result, reason: str | None) -> ExitCode:
    if result.failure is not None:
        return result.failure.exit_code if isinstance(result.failure, BatchgenError) else ExitCode.BUG
    if reason is not None:
        return _SIGNALS.get(reason, ExitCode.STOPPED)
    states = result.ended + result.passed
    if states[State.DOUBT]:
        return ExitCode.DOUBT
    return ExitCode.FAILURES if states[State.REFUSED] or states[State.SPOILED] else ExitCode.STORED
