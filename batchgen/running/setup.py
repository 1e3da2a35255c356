"""Opens what a run needs, in the order that costs nothing when something is wrong, and closes it again.

Ledger, what the past left, what is left to buy, the account's balance: only then is anything sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import replace
from functools import partial

import anyio
import anyio.to_thread
import msgspec

from batchgen.errors import NotWritable, StoppedEarly
from batchgen.money import dollars
from batchgen.planning.plan import Plan
from batchgen.planning.prices import PriceBook
from batchgen.provider.interface import Provider
from batchgen.request import Request
from batchgen.running.again import asked_again, open_takes
from batchgen.running.bucket_session import BucketSession
from batchgen.running.buy.budget import Budget, Night, Risk
from batchgen.running.buy.recover import read_again, settle_the_past, unfinished_answers
from batchgen.running.buy.reuse import Reuse
from batchgen.running.buy.spill import Spill
from batchgen.running.canary import run_in_stages
from batchgen.running.control import Control
from batchgen.running.desk import Desk
from batchgen.running.engine import Engine, WorkDone
from batchgen.running.events import FinalStep, Listener, Notice, Started, silent
from batchgen.running.lost_with_disk import most_on_its_way, permit_lost
from batchgen.running.metadata_sync import sync
from batchgen.running.missing import Missing, give_up, missing_of
from batchgen.running.options import Options, min_free_bytes
from batchgen.running.preflight import (
    expected_microusd,
    refuse_partial_prune,
    refuse_unconfirmed,
    refuse_unpriced,
    to_buy,
)
from batchgen.running.progress_file import ProgressFile
from batchgen.running.relink import Looked, Relinked, look, note, open_stems, relink
from batchgen.running.result import Finished, finished
from batchgen.running.schedule.from_manifest import lanes_of, policy_of
from batchgen.store.dataset.heal import heal
from batchgen.store.dataset.healed import Wanted
from batchgen.store.dataset.leftovers import is_lost, set_aside_logs
from batchgen.store.dataset.mark import is_in_step, remove_mark
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.ledger_names import LedgerNames
from batchgen.store.folder.plan_cache import keep_memo
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import View
from batchgen.store.inputs.copies import InputCopies
from batchgen.store.ledger import names, takes
from batchgen.store.ledger.ledger import now_ms, open_ledger
from batchgen.store.ledger.made_by import made_by, record_owner
from batchgen.store.ledger.pictures_at import record_pictures_at
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.run_counts import RunCounts
from batchgen.store.looks.ahead import LookAhead
from batchgen.store.pictures.bucket import BucketFailed
from batchgen.store.pictures.found_in_bucket import FoundPicture, unknown_pictures
from batchgen.store.pictures.ledger_backup import forget_lost, lost_with_disk
from batchgen.store.pictures.other_folders import Sources
from batchgen.version import __version__


async def run_plan(
    plan: Plan,
    provider: Provider,
    folder: RunFolder,
    prices: PriceBook,
    *,
    options: Options,
    listen: Listener = silent,
    live: ProgressFile | None = None,
    bucket: BucketSession | None = None,
    on_engine: Callable[[Engine], None],
) -> Finished:
    """Run ``plan`` in ``folder``, which the caller holds open, through ``provider``, which is entered already.

    Pictures rest in ``bucket``, or in the folder. ``on_engine`` is given the engine before it starts, so that a signal
    can drain it. Raise :class:`UsageError` before anything is sent, and :class:`LedgerDamaged`.
    """
    live = live or ProgressFile(folder.progress)
    planned = await anyio.to_thread.run_sync(plan.count_by_model)
    refuse_unpriced(planned, prices, plan.manifest.limits, options)
    refuse_partial_prune(options, plan.manifest.shard)
    lost = await anyio.to_thread.run_sync(is_lost, folder)
    async with _opened(plan, provider, folder, prices, options, live.before(listen), live, planned, bucket) as opened:
        with _before_sending(folder):
            if bucket is not None:
                await opened.ledger.change(partial(record_pictures_at, address=bucket.bucket.address))
            await anyio.to_thread.run_sync(lambda: keep_memo(folder, plan.memo()))
            looked = await _in_step(opened, lost=lost)
            deleted = await anyio.to_thread.run_sync(names.deleted, opened.reader.db)
            await note(opened.ledger, looked, restores=plan.manifest.output.deleted == "restore")
            doubted = await settle_the_past(opened.ledger, opened.reader, folder, provider)
            missing = await anyio.to_thread.run_sync(_missing, opened)
            again = await anyio.to_thread.run_sync(asked_again, plan, opened.diff, folder, options.again)
            remaining_microusd = await _permitted(opened, missing, again)
            if missing:
                await give_up(missing, opened.ledger)
                opened.diff.look_again()
            await read_again(opened.ledger, opened.reader, folder, provider)
            recovered = await anyio.to_thread.run_sync(
                lambda: list(unfinished_answers(opened.reader, folder, provider, opened.diff))
            )
        budget = await _budget(opened, await provider.balance_microusd())
        lanes = partial(lanes_of, planned, plan.manifest.limits, shards=plan.manifest.shards)
        desk = replace(opened, budget=budget, run_id=await _begun(opened), lanes=lanes())
        await _ask(desk, again)
        if bucket is not None:
            await anyio.to_thread.run_sync(bucket.begin, most_on_its_way(plan, planned, prices))
        synced = await sync(plan, desk.ledger, desk.reader, desk.diff)
        desk = replace(desk, takes=await anyio.to_thread.run_sync(_open_takes, desk))
        relinked = await _names(desk, looked)
        counts = RunCounts(
            run_id=desk.run_id,
            kept=desk.count - len(desk.diff.open_positions),
            renamed=synced.renamed,
            restored=_restored(desk, looked, relinked, deleted),
        )
        reused = await _reused(desk)
        _tell_of_start(desk, remaining_microusd, finishing=len(recovered))
        try:
            done = await run_in_stages(desk, options.bounds, recovered, lanes=lanes, on_engine=on_engine)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(desk.looks.close)
        desk.listen(FinalStep("bringing names and records up to date"))
        await anyio.to_thread.run_sync(desk.live.write)
        # What was bought, and answers to an earlier plan that are pictures now, are news to the diff.
        desk.diff.look_again()
        done = await _moved_up(desk, done)
        ended = await finished(desk, done, relinked=relinked, counts=msgspec.structs.replace(counts, reused=reused))
        return replace(ended, reused=reused, renewed=synced.described, noted=doubted + len(again))


async def _moved_up(desk: Desk, done: WorkDone) -> WorkDone:
    """Put what waits on this disk into its bucket; a run with pictures that still wait has not come to its end."""
    if desk.bucket is None:
        return done
    left = await anyio.to_thread.run_sync(desk.bucket.move_up)
    for said in desk.bucket.news():
        desk.listen(Notice(said))
    return replace(done, stopped=done.stopped or desk.bucket.waiting_reason(left)) if left else done


@contextmanager
def _before_sending(folder: RunFolder) -> Iterator[None]:
    """Turn an error of the disk into :class:`NotWritable`."""
    try:
        yield
    except OSError as error:
        raise NotWritable(f"{folder.root}: the disk gave an error: {error}. Nothing was sent") from error


@asynccontextmanager
async def _opened(
    plan: Plan,
    provider: Provider,
    folder: RunFolder,
    prices: PriceBook,
    options: Options,
    listen: Listener,
    live: ProgressFile,
    planned: Mapping[str, int],
    bucket: BucketSession | None,
) -> AsyncIterator[Desk]:
    limits, retry = plan.manifest.limits, plan.manifest.retry
    space = DiskSpace(folder, concurrency=limits.concurrency, min_free_bytes=min_free_bytes(options))
    async with AsyncExitStack() as stack:
        await anyio.to_thread.run_sync(stack.enter_context, space.held())
        await anyio.to_thread.run_sync(set_aside_logs, folder.ledger)
        ledger = await stack.enter_async_context(open_ledger(folder.ledger, provider=provider.name, room=space))
        if not ledger.has_log:
            listen(Notice(f"{folder.root}: its file system can't do SQLite's write-ahead log; commits take longer"))
        reader = stack.enter_context(closing(Reader(folder.ledger)))
        diff = stack.enter_context(closing(PlanDiff(folder.ledger, plan.outline.numbers)))
        sources = Sources(plan.manifest.reuse, own=folder, simulated=provider.name == "simulator")
        stack.callback(sources.close)
        spent = await anyio.to_thread.run_sync(reader.spent)
        whole_microusd = expected_microusd(plan.count_whole_by_model(), prices)
        yield Desk(
            plan=plan,
            provider=provider,
            folder=folder,
            prices=prices,
            options=options,
            listen=listen,
            planned=planned,
            space=space,
            ledger=ledger,
            reader=reader,
            diff=diff,
            view=LedgerNames(folder) if bucket else View(folder),
            copies=await anyio.to_thread.run_sync(InputCopies, folder),
            sources=sources,
            spill=Spill(folder, options.spill),
            control=Control(folder.control),
            live=live,
            looks=LookAhead(folder),
            bucket=bucket,
            policy=policy_of(retry, strict=options.strict),
            selection=options.selection,
            budget=Budget(limits.budget_microusd, spent),
            risk=Risk(
                retry.risk_microusd,
                expected_microusd=whole_microusd,
                risked_microusd=spent.risked_microusd,
                shard=plan.manifest.shard,
            ),
        )


async def _in_step(desk: Desk, *, lost: bool) -> Looked:
    """Take into the ledger what lies beside it, so that nothing is bought again because its record is gone.

    Return what the names on disk are. Raise :class:`UsageError` if pictures belong to no request of a ledger that is
    ``lost``.
    """
    folder, db = desk.folder, desk.reader.db
    looked = await anyio.to_thread.run_sync(look, folder, desk.reader)
    if not lost and await anyio.to_thread.run_sync(is_in_step, folder, db, looked.strangers):
        await anyio.to_thread.run_sync(remove_mark, folder)
        return looked
    find = partial(_find, desk.plan, desk.prices)
    in_bucket = await anyio.to_thread.run_sync(_in_bucket, desk)
    healed = await desk.ledger.change(
        partial(
            heal,
            folder=folder,
            find=find,
            sources=desk.sources if desk.plan.manifest.reuse else None,
            in_bucket=in_bucket,
            lost=lost,
            buys_missing=desk.selection.missing,
        )
    )
    await anyio.to_thread.run_sync(remove_mark, folder)
    desk.diff.look_again()
    if lost:
        desk.listen(Notice(f"{folder.root}: the ledger was lost and has been made anew: {healed}"))
    elif healed.any:
        desk.listen(Notice(f"{folder.root}: the ledger was older than what lies beside it; it knows now: {healed}"))
    return await anyio.to_thread.run_sync(look, folder, desk.reader)


def _in_bucket(desk: Desk) -> Mapping[str, FoundPicture]:
    """Return the pictures in the run's bucket that the ledger lacks. Raise :class:`UsageError`, as bytes are unread."""
    if desk.bucket is None:
        return {}
    try:
        return unknown_pictures(desk.bucket.bucket, desk.reader.db)
    except BucketFailed as error:
        raise error.refusal() from error


def _find(plan: Plan, prices: PriceBook, matches: Callable[[int], bool]) -> Iterator[Wanted]:
    """Return the requests of ``plan`` whose keys begin with numbers that match."""
    positions = [position for position, number in enumerate(plan.outline.numbers) if matches(number)]
    for request in plan.at(positions):
        price, by = prices.price_of(request), prices.priced_by(request)
        yield Wanted(request, plan.stem(request), price.expected_microusd if price else None, by.source if by else None)


def _missing(desk: Desk) -> list[Missing]:
    """Return the pictures whose bytes are gone, if the user wants them bought again."""
    if not desk.selection.missing:
        return []
    return missing_of(desk.plan, desk.reader, desk.folder, desk.bucket.bucket if desk.bucket else None)


async def _ask(desk: Desk, again: Sequence[Request]) -> None:
    """Record which takes are wanted: from here on a run that dies neither forgets one nor buys it twice."""
    if again:
        wanted = [(request, desk.plan.stem(request)) for request in again]
        await desk.ledger.change(partial(takes.ask, wanted=wanted, run_id=desk.run_id, now_ms=now_ms()))


def _open_takes(desk: Desk) -> list[Request]:
    return open_takes(desk.plan, desk.diff, desk.reader, desk.selection.again)


async def _permitted(desk: Desk, missing: Sequence[Missing], again: Sequence[Request]) -> int:
    """Return what is left to buy, in micro-dollars, if so much may be bought; raise :class:`UsageError` if not."""
    manifest = desk.plan.manifest
    sources = desk.sources if manifest.reuse else None
    open_ones = await anyio.to_thread.run_sync(to_buy, desk.plan, desk.diff, sources)
    asked = {one.key: one.model for one in (*again, *await anyio.to_thread.run_sync(_open_takes, desk))}
    left = Counter(open_ones) + Counter(one.model for one in missing) + Counter(asked.values())
    remaining_microusd = expected_microusd(left, desk.prices)
    refuse_unconfirmed(left, desk.prices, desk.options, manifest.limits, shards=manifest.shards)
    if lost := await anyio.to_thread.run_sync(lost_with_disk, desk.reader.db):
        desk.listen(Notice(permit_lost(lost, left.total(), desk.risk, desk.options)))
        await desk.ledger.change(forget_lost)
    typical_bytes = await anyio.to_thread.run_sync(desk.reader.typical_bytes)
    warning = desk.space.warning(sum(left.values()), typical_bytes)
    if warning and desk.bucket is None:
        desk.listen(Notice(warning))
    return remaining_microusd


async def _begun(desk: Desk) -> int:
    manifest = desk.plan.manifest
    owner = made_by(manifest.source, desk.folder.root, shard=str(manifest.shard or ""))
    await desk.ledger.change(partial(record_owner, owner=owner))
    return await desk.ledger.begin_run(
        version=__version__,
        manifest=str(manifest.source),
        provider=desk.provider.name,
        base_url=desk.provider.base_url,
        planned=desk.count,
        estimate_microusd=expected_microusd(desk.planned, desk.prices),
    )


async def _names(desk: Desk, looked: Looked) -> Relinked:
    """Bring the names on disk up to the manifest, and tell what is amiss.

    Raise :class:`StoppedEarly` if the disk fails.
    """
    try:
        relinked = await relink(
            desk.view,
            desk.folder,
            desk.ledger,
            desk.reader,
            looked=looked,
            opened=open_stems(desk.plan, desk.diff),
        )
    except OSError as error:
        raise StoppedEarly(f"pictures could not be given their names: {error}. Nothing was sent") from error
    for notice in relinked.notices(desk.folder):
        desk.listen(Notice(notice))
    return relinked


def _restored(desk: Desk, looked: Looked, relinked: Relinked, deleted: Sequence[str]) -> int:
    """Return how many names that had been ``deleted``, or are gone since the last run, stand there again."""
    if looked.remade:
        return max(0, looked.remade - len(relinked.missing))
    again = {*looked.gone, *deleted} if desk.plan.manifest.output.deleted == "restore" else set()
    return len(again.difference(relinked.missing, relinked.deleted))


async def _reused(desk: Desk) -> int:
    """Take what other folders have bought already; return how many requests that are."""
    if not desk.plan.manifest.reuse:
        return 0
    taken = await Reuse(desk).run(desk.selection)
    for notice in taken.notices():
        desk.listen(Notice(notice))
    return taken.count


async def _budget(desk: Desk, balance_microusd: int | None) -> Budget:
    spent = await anyio.to_thread.run_sync(desk.reader.spent)
    night = await anyio.to_thread.run_sync(_night, desk.reader, desk.options)
    cap_microusd = desk.plan.manifest.limits.budget_microusd
    return Budget(cap_microusd, spent, balance_microusd=balance_microusd, night=night)


def _night(reader: Reader, options: Options) -> Night | None:
    if options.night_microusd is None:
        return None
    return Night(options.night_microusd, reader.night(now_ms=now_ms()).microusd)


def _tell_of_start(desk: Desk, remaining_microusd: int, *, finishing: int) -> None:
    budget = desk.budget
    desk.listen(
        Started(
            requests=desk.count,
            folder=str(desk.folder.root),
            provider=desk.provider.name,
            simulated=desk.provider.name == "simulator",
            expected_microusd=remaining_microusd,
            budget_microusd=budget.cap_microusd,
            finishing=finishing,
            balance_microusd=budget.balance_microusd,
            night_microusd=budget.night.cap_microusd if budget.night else None,
            night_before_microusd=budget.night.before_microusd if budget.night else 0,
        )
    )
    if budget.night is not None and budget.night.before_microusd:
        desk.listen(Notice(_goes_on(budget.night)))


def _goes_on(night: Night) -> str:
    return (
        f"this run goes on with tonight's budget of {dollars(night.cap_microusd)}: "
        f"{dollars(night.before_microusd)} of it are spent"
    )
