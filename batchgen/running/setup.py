"""Opens what a run needs, in the order that costs nothing when something is wrong, and closes it again.

Ledger, what the past left, what is left to buy, the account's balance: only then is anything sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace
from functools import partial

import anyio.to_thread

from batchgen.money import dollars
from batchgen.planning.plan import Plan
from batchgen.planning.prices import PriceBook
from batchgen.provider.interface import Provider
from batchgen.running.buy.budget import Budget, Night, Risk
from batchgen.running.buy.recover import settle_the_past, unfinished_answers
from batchgen.running.buy.reuse import Reuse
from batchgen.running.buy.spill import Spill
from batchgen.running.canary import run_in_stages
from batchgen.running.engine import Desk, Engine
from batchgen.running.events import Listener, Notice, Started, silent
from batchgen.running.metadata_sync import renew
from batchgen.running.missing import Missing, give_up, missing_of
from batchgen.running.options import Options, min_free_bytes
from batchgen.running.preflight import expected_microusd, refuse_unconfirmed, refuse_unpriced, to_buy
from batchgen.running.result import Finished, finished
from batchgen.running.schedule.from_manifest import lanes_of, policy_of
from batchgen.running.tidying import Tidying
from batchgen.store.dataset.leftovers import is_lost
from batchgen.store.dataset.rebuild import rebuild
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.plan_cache import keep_memo
from batchgen.store.folder.quarantine import set_aside_bodies
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger, now_ms, open_ledger
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.ledger.reader import Reader
from batchgen.store.pictures.other_folders import Sources
from batchgen.version import __version__


@dataclass(frozen=True, slots=True)
class _Session:
    """What is open for one run. ``planned`` counts the requests of each model."""

    plan: Plan
    provider: Provider
    folder: RunFolder
    prices: PriceBook
    options: Options
    listen: Listener
    planned: Mapping[str, int]
    room: DiskSpace
    ledger: Ledger
    reader: Reader
    past: PlanDiff
    tidying: Tidying
    sources: Sources


async def run_plan(
    plan: Plan,
    provider: Provider,
    folder: RunFolder,
    prices: PriceBook,
    *,
    options: Options,
    listen: Listener = silent,
    on_engine: Callable[[Engine], None],
) -> Finished:
    """Runs ``plan`` in ``folder``, which the caller holds open, through ``provider``, which is entered already.

    ``on_engine`` is given the engine before it starts, so that a signal can drain it. Raises :class:`UsageError`
    before anything is sent, and :class:`LedgerDamaged`.
    """
    planned = await anyio.to_thread.run_sync(plan.count_by_model)
    refuse_unpriced(planned, prices, plan.manifest.limits, options)
    async with _opened(plan, provider, folder, prices, options, listen, planned) as session:
        await anyio.to_thread.run_sync(lambda: keep_memo(folder, plan.memo()))
        await settle_the_past(session.ledger, session.reader, folder, provider)
        missing = await anyio.to_thread.run_sync(_missing, session)
        remaining_microusd = await _permitted(session, missing)
        if missing:
            await give_up(missing, session.ledger)
            session.past.look_again()
        recovered = await anyio.to_thread.run_sync(lambda: list(unfinished_answers(session.reader, folder, provider)))
        money = await _money(session, await provider.balance_microusd())
        run_id = await _begun(session)
        renewed = await renew(plan, session.ledger, session.reader, session.tidying)
        if renewed.renamed:
            listen(Notice(f"pictures that got the names this manifest has for them: {renewed.renamed:,}"))
        reused = await _reused(session, run_id)
        desk = _desk(session, run_id, money)
        _tell_of_start(session, desk, remaining_microusd, finishing=len(recovered))
        lanes = partial(lanes_of, planned, plan.manifest.limits)
        result = await run_in_stages(desk, options.bounds, recovered, lanes=lanes, on_engine=on_engine)
        if recovered:
            # Answers to an earlier plan are pictures now, and perhaps orphans.
            session.past.look_again()
        return replace(
            await finished(desk, result, options), reused=reused, renewed=renewed.described + renewed.renamed
        )


@asynccontextmanager
async def _opened(
    plan: Plan,
    provider: Provider,
    folder: RunFolder,
    prices: PriceBook,
    options: Options,
    listen: Listener,
    planned: Mapping[str, int],
) -> AsyncIterator[_Session]:
    limits = plan.manifest.limits
    room = DiskSpace(folder, concurrency=limits.concurrency, min_free_bytes=min_free_bytes(options))
    async with AsyncExitStack() as stack:
        await anyio.to_thread.run_sync(stack.enter_context, room.held())
        await _rebuild_where_lost(folder, plan, options, listen)
        ledger = await stack.enter_async_context(open_ledger(folder.ledger, provider=provider.name, room=room))
        if not ledger.has_log:
            listen(Notice(f"{folder.root}: its file system can't do SQLite's write-ahead log; commits take longer"))
        reader = stack.enter_context(closing(Reader(folder.ledger)))
        past = stack.enter_context(closing(PlanDiff(folder.ledger, plan.outline.numbers)))
        sources = Sources(plan.manifest.reuse, own=folder, simulated=provider.name == "simulator")
        stack.callback(sources.close)
        tidying = Tidying(ledger, past, folder, plan)
        yield _Session(
            plan, provider, folder, prices, options, listen, planned, room, ledger, reader, past, tidying, sources
        )


async def _rebuild_where_lost(folder: RunFolder, plan: Plan, options: Options, listen: Listener) -> None:
    """Makes a ledger of what an earlier one left, so that nothing is bought again because its memory is gone.

    Raises :class:`UsageError` where pictures are there that belong to no request, unless the run is confirmed.
    """
    if bodies := await anyio.to_thread.run_sync(set_aside_bodies, folder):
        listen(
            Notice(
                f"{folder.root}: its ledger is gone, and {len(bodies)} paid answers of it were not pictures yet; they "
                f"are kept as {bodies[0]}: JSON as the service sent it"
            )
        )
    if not await anyio.to_thread.run_sync(is_lost, folder):
        return
    rebuilt = await anyio.to_thread.run_sync(
        lambda: rebuild(folder, ((one, plan.stem(one)) for one in plan), confirmed=options.confirmed)
    )
    listen(Notice(f"{folder.root}: the ledger was lost and has been rebuilt: {rebuilt}"))


def _missing(session: _Session) -> list[Missing]:
    """The pictures that were deleted, where their user wants them back."""
    if not session.options.selection.missing:
        return []
    return missing_of(session.plan, session.reader, session.folder)


async def _permitted(session: _Session, missing: Sequence[Missing]) -> int:
    """What is left to buy, in micro-dollars, where so much may be bought; raises :class:`UsageError` where not."""
    manifest = session.plan.manifest
    sources = session.sources if manifest.reuse else None
    open_ones = await anyio.to_thread.run_sync(to_buy, session.plan, session.past, sources)
    left = Counter(open_ones) + Counter(one.model for one in missing)
    remaining_microusd = expected_microusd(left, session.prices)
    refuse_unconfirmed(left, session.prices, session.options, manifest.limits)
    typical_bytes = await anyio.to_thread.run_sync(session.reader.typical_bytes)
    if warning := session.room.warning(sum(left.values()), typical_bytes):
        session.listen(Notice(warning))
    return remaining_microusd


async def _begun(session: _Session) -> int:
    return await session.ledger.begin_run(
        version=__version__,
        manifest=str(session.plan.manifest.source),
        provider=session.provider.name,
        base_url=session.provider.base_url,
        planned=sum(session.planned.values()),
        estimate_microusd=expected_microusd(session.planned, session.prices),
    )


async def _reused(session: _Session, run_id: int) -> int:
    """Takes what other folders have bought already; returns how many requests that are."""
    if not session.plan.manifest.reuse:
        return 0
    reuse = Reuse(
        session.plan,
        session.sources,
        session.ledger,
        session.reader,
        session.folder,
        session.room,
        session.tidying,
        run_id=run_id,
    )
    taken = await reuse.run(session.options.selection)
    for notice in taken.notices():
        session.listen(Notice(notice))
    return taken.count


@dataclass(frozen=True, slots=True)
class _Money:
    """What may be spent, and what of it may be risked."""

    budget: Budget
    risk: Risk


async def _money(session: _Session, balance_microusd: int | None) -> _Money:
    manifest = session.plan.manifest
    spent = await anyio.to_thread.run_sync(session.reader.spent)
    night = await anyio.to_thread.run_sync(_night, session.reader, session.options)
    expected = expected_microusd(session.planned, session.prices)
    return _Money(
        Budget(manifest.limits.budget_microusd, spent, balance_microusd=balance_microusd, night=night),
        Risk(manifest.retry.risk_microusd, expected_microusd=expected, risked_microusd=spent.risked_microusd),
    )


def _desk(session: _Session, run_id: int, money: _Money) -> Desk:
    manifest, options = session.plan.manifest, session.options
    return Desk(
        plan=session.plan,
        provider=session.provider,
        ledger=session.ledger,
        reader=session.reader,
        folder=session.folder,
        room=session.room,
        lifeboat=Spill(session.folder, options.spill),
        past=session.past,
        tidying=session.tidying,
        prices=session.prices,
        lanes=lanes_of(session.planned, manifest.limits),
        ceiling=manifest.limits.concurrency,
        budget=money.budget,
        risk=money.risk,
        policy=policy_of(manifest.retry, strict=options.strict),
        selection=options.selection,
        run_id=run_id,
        planned=sum(session.planned.values()),
        listen=session.listen,
    )


def _night(reader: Reader, options: Options) -> Night | None:
    if options.night_microusd is None:
        return None
    return Night(options.night_microusd, reader.night(now_ms=now_ms()))


def _tell_of_start(session: _Session, desk: Desk, remaining_microusd: int, *, finishing: int) -> None:
    budget = desk.budget
    session.listen(
        Started(
            requests=desk.planned,
            folder=str(session.folder.root),
            provider=session.provider.name,
            simulated=session.provider.name == "simulator",
            expected_microusd=remaining_microusd,
            budget_microusd=budget.cap_microusd,
            finishing=finishing,
            balance_microusd=budget.balance_microusd,
            night_microusd=budget.night.cap_microusd if budget.night else None,
            night_before_microusd=budget.night.before_microusd if budget.night else 0,
        )
    )
    if budget.night is not None and budget.night.before_microusd:
        session.listen(Notice(_goes_on(budget.night)))


def _goes_on(night: Night) -> str:
    return (
        f"this run goes on with tonight's budget of {dollars(night.cap_microusd)}: "
        f"{dollars(night.before_microusd)} of it are spent"
    )
