"""Opens what a run needs, in the order that costs nothing when something is wrong, and closes it again.

Folder and lock, ledger, provider, what the past left, the account's balance: only then is anything sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path

import anyio.to_thread

from batchgen.errors import BatchgenError, ExitCode, LedgerDamaged, UsageError
from batchgen.manifest import Limits, Rate
from batchgen.money import dollars
from batchgen.plan.plan import Plan
from batchgen.plan.prices import PriceBook
from batchgen.provider.interface import Provider
from batchgen.request import State
from batchgen.run.budget import Budget, Risk
from batchgen.run.engine import Desk, Engine, Result
from batchgen.run.events import Listener, Notice, Started, silent
from batchgen.run.feeder import Selection
from batchgen.run.lanes import Lane
from batchgen.run.limits import ConcurrencyLimit, StartRate
from batchgen.run.recover import settle_the_past, unfinished_answers
from batchgen.run.rescue import Lifeboat
from batchgen.run.retry import Policy
from batchgen.run.signals import EXIT_CODES
from batchgen.store.folder import RunFolder
from batchgen.store.ledger import Ledger, Reader, open_ledger
from batchgen.store.rebuilding import is_lost, rebuild, set_aside_bodies
from batchgen.store.room import Room
from batchgen.store.writer import LedgerFailed
from batchgen.version import __version__

# Up to this many requests and this much money a run starts unconfirmed.
UNCONFIRMED_REQUESTS = 10_000
UNCONFIRMED_MICROUSD = 50_000_000

# The reasons a run gives when a signal stopped it, and what the shell expects of each.
_SIGNALS = {number.name: code for number, code in EXIT_CODES.items()}

# Exit codes of a run that came to its plan's end.
_FINISHED = frozenset({ExitCode.STORED, ExitCode.FAILURES, ExitCode.DOUBT})

# What a rate may start at once; over a longer window the whole count may, since nobody means to spread a day evenly.
_BURST = 5
_BURST_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Options:
    """What a caller may say of a run beyond its manifest. ``confirmed`` lifts the limit of an unconfirmed run.

    Nothing is sent while less than ``min_free_bytes`` are free on the folder's disk; ``None`` is what
    ``BATCHGEN_MIN_FREE_MB`` says, or the rule of :class:`Room`. ``spill`` is a folder on another disk for paid
    pictures that the folder's own one can't take.
    """

    selection: Selection = field(default_factory=Selection)
    strict: bool = False
    confirmed: bool = False
    min_free_bytes: int | None = None
    spill: Path | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """How a run ended, and with which exit code."""

    run_id: int
    result: Result
    exit_code: ExitCode
    reason: str | None

    @property
    def stored(self) -> int:
        """Pictures' requests that were finished in this run."""
        return self.result.ended[State.STORED]

    @property
    def changed(self) -> bool:
        """Whether the ledger holds anything that it did not hold before."""
        return bool(self.result.sent or self.result.ended.total())


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
    manifest = plan.manifest
    planned = await anyio.to_thread.run_sync(plan.count_by_model)
    _refuse_unpriced(planned, prices, manifest.limits)
    room = Room(folder, concurrency=manifest.limits.concurrency, min_free_bytes=_min_free_bytes(options))
    async with AsyncExitStack() as stack:
        await anyio.to_thread.run_sync(stack.enter_context, room.held())
        await _rebuild_where_lost(folder, plan, options, listen)
        ledger = await stack.enter_async_context(open_ledger(folder.ledger, provider=provider.name, room=room))
        if not ledger.has_log:
            listen(Notice(f"{folder.root}: its file system can't do SQLite's write-ahead log; commits take longer"))
        reader = stack.enter_context(closing(Reader(folder.ledger)))
        await settle_the_past(ledger, reader, folder, provider)
        spent = await anyio.to_thread.run_sync(reader.spent)
        known = await anyio.to_thread.run_sync(reader.count)
        expected = expected_microusd(planned, prices)
        remaining = max(0, expected - spent.billed_microusd - spent.estimated_microusd)
        total = sum(planned.values())
        _refuse_unconfirmed(total - known.get(State.STORED, 0), remaining, options, manifest.limits)
        recovered = await anyio.to_thread.run_sync(lambda: list(unfinished_answers(reader, folder, provider)))
        balance = await provider.balance_microusd()
        run_id = await ledger.begin_run(
            version=__version__,
            manifest=str(manifest.source),
            provider=provider.name,
            base_url=provider.base_url,
            planned=total,
            estimate_microusd=expected,
        )
        desk = Desk(
            plan=plan,
            provider=provider,
            ledger=ledger,
            reader=reader,
            folder=folder,
            room=room,
            lifeboat=Lifeboat(folder, options.spill),
            prices=prices,
            lanes=_lanes(planned, manifest.limits),
            ceiling=manifest.limits.concurrency,
            budget=Budget(manifest.limits.budget_microusd, spent, balance_microusd=balance),
            risk=Risk(manifest.retry.risk_microusd, expected_microusd=expected, risked_microusd=spent.risked_microusd),
            policy=_policy(plan, options),
            selection=options.selection,
            run_id=run_id,
            planned=total,
            listen=listen,
        )
        listen(
            Started(
                requests=total,
                folder=str(folder.root),
                provider=provider.name,
                simulated=provider.name == "simulator",
                expected_microusd=remaining,
                budget_microusd=manifest.limits.budget_microusd,
                finishing=len(recovered),
                balance_microusd=balance,
            )
        )
        engine = Engine(desk)
        on_engine(engine)
        result = await engine.run(recovered)
        return await _finished(ledger, run_id, result)


def expected_microusd(planned: Mapping[str, int], prices: PriceBook) -> int:
    """What so many requests of each model are expected to cost; models without a known price count as nothing."""
    priced = ((count, prices.price(model)) for model, count in planned.items())
    return sum(count * price.expected_microusd for count, price in priced if price)


def _min_free_bytes(options: Options) -> int | None:
    """What the caller said, or else the environment. Raises :class:`UsageError`."""
    stated = os.environ.get("BATCHGEN_MIN_FREE_MB", "")
    if options.min_free_bytes is not None or not stated:
        return options.min_free_bytes
    if not (stated.isascii() and stated.isdigit()):
        raise UsageError(f"BATCHGEN_MIN_FREE_MB is {stated!r}; it is a whole number of megabytes, such as 256")
    return int(stated) << 20


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


async def _finished(ledger: Ledger, run_id: int, result: Result) -> Finished:
    reason = _reason(result)
    code = _exit_code(result, reason)
    try:
        await ledger.end_run(run_id, exit_code=code, reason=reason)
    except (LedgerFailed, LedgerDamaged) as error:
        # How the run ended is owed to its user all the same.
        reason = reason or str(error)
        if isinstance(error, LedgerDamaged) or code in _FINISHED:
            code = error.exit_code
    return Finished(run_id, result, code, reason)


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


def _policy(plan: Plan, options: Options) -> Policy:
    retry = plan.manifest.retry
    return Policy(
        attempts=retry.attempts,
        deadline_s=retry.deadline_s,
        max_wait_s=retry.max_wait_s,
        retry_doubt=retry.on_doubt == "retry" and not options.strict,
    )


def _lanes(models: Iterable[str], limits: Limits) -> list[Lane]:
    # The rate a service states in its headers is the account's: lanes that follow it share one bucket.
    stated = StartRate(None, follow=limits.adaptive)
    return [_lane(model, limits, stated) for model in models]


def _lane(model: str, limits: Limits, stated: StartRate) -> Lane:
    own = [lane for lane in limits.lanes if model == lane.pattern or fnmatchcase(model, lane.pattern)]
    ceilings = [limits.concurrency, *(lane.concurrency for lane in own if lane.concurrency is not None)]
    rate = next((lane.rate for lane in own if lane.rate is not None), limits.rate)
    limit = ConcurrencyLimit(min(ceilings), adaptive=limits.adaptive)
    return Lane(model, limit, stated if rate is None else _start_rate(rate))


def _start_rate(rate: Rate) -> StartRate:
    burst = _BURST if rate.window_s <= _BURST_WINDOW_S else max(1, int(rate.count))
    # A rate the user wrote down is a limit: the service's own headers don't raise it.
    return StartRate(rate.starts_per_s, burst=min(burst, max(1, int(rate.count))), follow=False)


def _refuse_unpriced(planned: Mapping[str, int], prices: PriceBook, limits: Limits) -> None:
    unknown = sorted(model for model in planned if prices.price(model) is None)
    if limits.budget_microusd is not None and unknown:
        raise UsageError(
            f"limits.budget_usd can't be kept: nobody states a price for {', '.join(unknown)}; "
            f"give it as `prices: {{{unknown[0]}: 0.04}}`"
        )


def _refuse_unconfirmed(requests: int, expected: int, options: Options, limits: Limits) -> None:
    if options.confirmed or options.selection.limit is not None:
        return
    if requests > UNCONFIRMED_REQUESTS:
        raise UsageError(
            f"{requests:,} requests are more than the {UNCONFIRMED_REQUESTS:,} of an unconfirmed run; "
            "look at `batchgen plan`, then confirm with --yes, or try --limit 20 first"
        )
    if expected > UNCONFIRMED_MICROUSD and limits.budget_microusd is None:
        raise UsageError(
            f"about {dollars(expected)} is more than the {dollars(UNCONFIRMED_MICROUSD)} of an unconfirmed run; "
            "look at `batchgen plan`, then confirm with --yes, or set --budget"
        )
