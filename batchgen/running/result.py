"""How a run ended: its reason, its exit code, and the folder tidied once nothing is on its way any more."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import anyio.to_thread
import msgspec

from batchgen.errors import BatchgenError, ExitCode, LedgerDamaged, LedgerFailed
from batchgen.money import dollars
from batchgen.request import State
from batchgen.running import orphans
from batchgen.running.desk import Desk
from batchgen.running.engine import WorkDone
from batchgen.running.events import Notice
from batchgen.running.relink import Relinked, open_stems, relink
from batchgen.running.signals import EXIT_CODES
from batchgen.store.dataset.mark import leave_mark
from batchgen.store.ledger import retired
from batchgen.store.ledger.plan_diff import Orphans
from batchgen.store.ledger.retired import Doubts
from batchgen.store.ledger.run_counts import RunCounts, record_counts, with_money
from batchgen.wording import counted

# The reasons a run gives when a signal stopped it, and what the shell expects of each.
_SIGNALS = {number.name: code for number, code in EXIT_CODES.items()}

# Exit codes of a run that came to its plan's end.
_FINISHED = frozenset({ExitCode.OK, ExitCode.FAILURES, ExitCode.DOUBT})


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended, and with which exit code.

    ``orphans`` are known if the whole plan was read; ``pruned`` of them lost their names. ``reused`` requests were
    taken from other folders. ``withdrawn`` ones had ended without a picture, and are not asked for any more.
    ``renewed`` ones stand elsewhere in the manifest, or have other columns or names. ``named`` counts names made and
    taken away at the end. ``noted`` counts what its start found in doubt, and what was asked for again. ``counts`` are
    what the run itself did.
    """

    run_id: int
    result: WorkDone
    exit_code: ExitCode
    reason: str | None
    orphans: Orphans | None = None
    pruned: int = 0
    reused: int = 0
    withdrawn: int = 0
    renewed: int = 0
    named: int = 0
    noted: int = 0
    counts: RunCounts | None = None

    @property
    def changed(self) -> bool:
        """Return whether the ledger holds anything that the ledger did not hold before."""
        done = self.result.sent or self.result.ended.total() or self.reused
        return bool(done or self.pruned or self.withdrawn or self.named or self.noted)


async def finished(desk: Desk, result: WorkDone, *, relinked: Relinked, counts: RunCounts) -> Finished:
    """Tidy the folder and record in the ledger how the run ended.

    ``relinked`` is what its start did to names, and ``counts`` what there was before anything was sent.
    """
    reason = _reason(result)
    code = _exit_code(result, reason)
    tidied = _Tidied()
    try:
        tidied = await _tidied(desk, result, prune=desk.options.prune and code in _FINISHED and result.read_whole)
        if tidied.refusal and code in _FINISHED:
            reason, code = tidied.refusal, ExitCode.STOPPED
        if tidied.relinked is not None:
            for notice in tidied.relinked.since(relinked).notices(desk.folder):
                desk.listen(Notice(notice))
        if tidied.doubts and tidied.doubts.count:
            code = ExitCode.DOUBT if code in _FINISHED else code
            desk.listen(Notice(_said_of(tidied.doubts)))
        counts = await anyio.to_thread.run_sync(_counted, desk, result, counts, tidied, relinked)
        if counts.missing and code is ExitCode.OK:
            # A site lacks the picture, and nobody hears of a night that ends well.
            code = ExitCode.FAILURES
        await _record_end(desk, code, reason, tidied.orphans, counts, in_order=result.failure is None)
    except OSError as error:
        reason = reason or f"the disk gave an error while names were made: {error}"
        code = ExitCode.STOPPED if code in _FINISHED else code
    except (LedgerFailed, LedgerDamaged) as error:
        # The user learns how the run ended, also if the disk fails here.
        reason = reason or str(error)
        if isinstance(error, LedgerDamaged) or code in _FINISHED:
            code = error.exit_code
    return Finished(
        desk.run_id,
        result,
        code,
        reason,
        tidied.orphans,
        tidied.pruned,
        withdrawn=tidied.withdrawn,
        named=tidied.named,
        counts=counts,
    )


def _counted(desk: Desk, result: WorkDone, counts: RunCounts, tidied: _Tidied, relinked: Relinked) -> RunCounts:
    """Return ``counts`` with what came of the run. For a thread."""
    failed = sum(result.ended[state] for state in (State.REFUSED, State.SPOILED, State.DOUBT))
    after = tidied.relinked or relinked
    open_takes = _open_takes(desk)
    done = msgspec.structs.replace(
        counts,
        bought=result.ended[State.STORED],
        pruned=tidied.pruned,
        failed=failed,
        left=max(0, len(desk.diff.open_positions) + open_takes - failed),
        takes=len(desk.takes) - open_takes,
        deleted=len(after.deleted),
        missing=len({*relinked.missing, *after.missing}),
    )
    return with_money(desk.reader.db, done)


def _open_takes(desk: Desk) -> int:
    """Return how many of the run's further takes are no pictures yet, failed ones too."""
    return len({take.key for take in desk.takes} & desk.reader.open_takes().keys()) if desk.takes else 0


async def _record_end(
    desk: Desk,
    code: ExitCode,
    reason: str | None,
    left: Orphans | None,
    counts: RunCounts,
    *,
    in_order: bool,
) -> None:
    """Record the end of the run, and that the ledger knows all that lies beside it."""
    await desk.ledger.change(partial(record_counts, counts=counts))
    await desk.ledger.end_run(desk.run_id, exit_code=code, reason=reason, orphans=left.to_json() if left else None)
    if in_order and desk.space.failed is None and not desk.spill.messages:
        await desk.ledger.change(await anyio.to_thread.run_sync(leave_mark, desk.folder))


@dataclass(frozen=True, slots=True)
class _Tidied:
    orphans: Orphans | None = None
    pruned: int = 0
    withdrawn: int = 0
    relinked: Relinked | None = None
    doubts: Doubts | None = None
    refusal: str | None = None

    @property
    def named(self) -> int:
        return self.relinked.made + self.relinked.removed if self.relinked else 0


async def _tidied(desk: Desk, result: WorkDone, *, prune: bool) -> _Tidied:
    """Prune and withdraw what the plan no longer asks for, and bring the names on disk up to date."""
    # A disk or a ledger that has failed is left alone: the next run does all of this.
    if desk.space.failed is not None or result.failure is not None:
        return _Tidied()
    opened = open_stems(desk.plan, desk.diff)
    pruned, refusal = 0, None
    if prune:
        found = await anyio.to_thread.run_sync(orphans.orphan_names, desk.diff, opened)
        if found.too_many:
            refusal = orphans.refusal(found)
        else:
            pruned = await orphans.prune(desk.ledger, found)
    left = await anyio.to_thread.run_sync(orphans.told, desk.diff, opened)
    withdrawn = await orphans.withdraw(desk.ledger, desk.diff)
    doubts = await anyio.to_thread.run_sync(retired.new_doubts, desk.diff, desk.run_id)
    relinked = await relink(desk.view, desk.folder, desk.ledger, desk.reader, opened=opened)
    return _Tidied(left, pruned, withdrawn, relinked, doubts, refusal)


def _said_of(doubts: Doubts) -> str:
    one = doubts.count == 1
    who = counted(doubts.count, "request in doubt is", "requests in doubt are")
    return (
        f"{who} no longer in the manifest: {'it' if one else 'they'} may have cost "
        f"{dollars(doubts.maybe_microusd)}, and {'stays' if one else 'stay'} in failures.jsonl"
    )


def _reason(result: WorkDone) -> str | None:
    """Return why the run ended before its plan did, or ``None``."""
    if result.stopped is not None:
        return result.stopped
    if result.closed:
        return "; ".join(f"{model}: {why}" for model, why in result.closed.items())
    left = []
    if waiting := result.ended[State.WAITING]:
        left.append(
            f"{counted(waiting, 'request still fails', 'requests still fail')} after all tries; run again to go on"
        )
    if answered := result.ended[State.ANSWERED]:
        left.append(
            f"{counted(answered, 'paid picture')} could not be fetched yet; running again fetches without paying"
        )
    return "; ".join(left) or None


def _exit_code(result: WorkDone, reason: str | None) -> ExitCode:
    if result.failure is not None:
        return result.failure.exit_code if isinstance(result.failure, BatchgenError) else ExitCode.BUG
    if reason is not None:
        return _SIGNALS.get(reason, ExitCode.STOPPED)
    states = result.ended + result.passed
    if states[State.DOUBT]:
        return ExitCode.DOUBT
    return ExitCode.FAILURES if states[State.REFUSED] or states[State.SPOILED] else ExitCode.OK
