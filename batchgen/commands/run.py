"""Runs or resumes a manifest: judged before there is a folder, run, and reported whatever became of it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.from_thread
import anyio.to_thread

from batchgen.commands.input_memory import input_files
from batchgen.commands.job import folder_of, manifest_of, prices_of, service_of
from batchgen.commands.other_splits import refuse_other_splits
from batchgen.commands.ownership import claim
from batchgen.errors import ExitCode, LedgerDamaged, Together
from batchgen.html_view import paragraph, view
from batchgen.manifest import Manifest
from batchgen.planning.plan import Plan, make_plan
from batchgen.planning.prices import PriceBook
from batchgen.provider.choose import choose_provider, look_up_catalogue
from batchgen.provider.interface import Provider
from batchgen.request import State
from batchgen.running.again import nothing_stored
from batchgen.running.bucket_session import BucketSession, open_bucket
from batchgen.running.engine import Engine
from batchgen.running.events import FinalStep, InputsDecoded, Listener, Notice, PlanReading, silent
from batchgen.running.options import Options, min_free_bytes, within
from batchgen.running.outer_loop import wait_for_run
from batchgen.running.preflight import (
    refuse_no_match,
    refuse_partial_prune,
    refuse_unconfirmed,
    refuse_unpriced,
    unpriced_notice,
)
from batchgen.running.progress_file import ProgressFile
from batchgen.running.result import Finished
from batchgen.running.setup import run_plan
from batchgen.running.signals import Signals, interruptible, own_signals
from batchgen.running.steering import connections_for
from batchgen.store.dataset.leftovers import is_lost
from batchgen.store.dataset.summary_patch import renew_summary
from batchgen.store.folder.plan_cache import memo_in
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.plan_diff import Orphans
from batchgen.store.ledger.run_counts import RunCounts
from batchgen.store.pictures.bucket import BucketFailed
from batchgen.wording import counted

if TYPE_CHECKING:
    from batchgen.report import Report, Summary


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The result of a run: its ``folder``, how it ended, and how many of the plan's requests are in which state.

    ``reason`` says why the run ended before its plan did. ``report`` is ``None`` if nothing was sent or finished, or
    if the disk failed, so that an earlier report still stands.
    ``unrecorded`` names paid pictures that the ledger could not take, and where they are. ``orphans`` are what the
    manifest no longer asks for, if the whole of it was read; ``pruned`` of them lost their names. ``withdrawn`` ones
    had ended without a picture, and are not asked for any more. ``counts`` are what this run itself did.
    """

    folder: Path
    exit_code: ExitCode
    reason: str | None
    states: Mapping[State, int]
    equal: int
    report: Report | None = field(repr=False)
    unrecorded: tuple[str, ...] = ()
    orphans: Orphans | None = None
    pruned: int = 0
    withdrawn: int = 0
    counts: RunCounts | None = None

    def summary(self) -> Summary:
        """Return what ``summary.json`` says of the whole folder."""
        from batchgen.report import summarise

        return self.report.summary if self.report is not None else summarise(RunFolder(self.folder))

    def _repr_html_(self) -> str:
        how = f"stopped early: {self.reason}" if self.reason else f"exit code {int(self.exit_code)}"
        return view(f"{self.folder}", paragraph(how), self.summary()._repr_html_())


def run(
    manifest: Manifest | str | Path,
    *,
    folder: str | Path | None = None,
    options: Options | None = None,
    listen: Listener | None = None,
) -> RunResult:
    """Run or resume a manifest and wait for its end; the first Ctrl-C drains it, the second abandons what is in flight.

    ``folder`` defaults to the manifest's ``output.folder``, or ``outputs/<name>``. ``listen`` hears every event, in
    the thread that calls. If an event loop is running there, as in Jupyter, the run has one in another thread.
    Raise :class:`~batchgen.errors.UsageError` before anything is sent, and
    :class:`~batchgen.errors.FolderInUse` or :class:`~batchgen.errors.LedgerDamaged`.
    """

    async def main(hear: Listener | None, signals: Signals | None) -> RunResult:
        return await _run(manifest, folder, options, hear, signals)

    return wait_for_run(main, listen)


async def run_async(
    manifest: Manifest | str | Path,
    *,
    folder: str | Path | None = None,
    options: Options | None = None,
    listen: Listener | None = None,
    signals: bool = False,
) -> RunResult:
    """Do as :func:`run` in a running event loop, asyncio or trio.

    ``signals``: Ctrl-C and SIGTERM drain the run, as they do in :func:`run`; for the main thread only. Without it they
    are the caller's business, and a run that is cancelled abandons what is in flight.
    """
    return await _run(manifest, folder, options, listen, own_signals() if signals else None)


async def _run(
    manifest: Manifest | str | Path,
    folder: str | Path | None,
    options: Options | None,
    listen: Listener | None,
    signals: Signals | None,
) -> RunResult:
    loaded = await anyio.to_thread.run_sync(manifest_of, manifest)
    options = within(loaded.limits, options or Options(), loaded.shard)
    run_folder = RunFolder(folder_of(loaded, folder))
    with ExitStack() as stack:
        async with interruptible(signals) if signals else _uninterrupted() as watch:
            judged = await _judge(loaded, run_folder, options, listen or silent)
            await anyio.to_thread.run_sync(_refuse_early, judged, run_folder, options)
            opened = run_folder.opened(force_unlock=options.force_unlock)
            await anyio.to_thread.run_sync(stack.enter_context, opened)
            held = open_bucket(loaded.output.pictures, run_folder, force_unlock=options.force_unlock)
            bucket = await anyio.to_thread.run_sync(stack.enter_context, held)
            moved = await anyio.to_thread.run_sync(claim, judged.plan, run_folder)
            await anyio.to_thread.run_sync(refuse_other_splits, judged.plan, run_folder)
            live = ProgressFile(run_folder.progress)
            # That of a run which was killed, first.
            await anyio.to_thread.run_sync(live.remove)
            stack.callback(live.remove)
            async with judged.provider:
                for notice in (*([moved] if moved else []), *judged.notices):
                    (listen or silent)(Notice(notice))
                finished = await run_plan(
                    judged.plan,
                    judged.provider,
                    run_folder,
                    judged.prices,
                    options=options,
                    listen=listen or silent,
                    live=live,
                    bucket=bucket,
                    on_engine=watch,
                )
        return await anyio.to_thread.run_sync(_reported, run_folder, finished, listen or silent, live, bucket)


@dataclass(frozen=True, slots=True)
class _Judged:
    """The parts of a run, found without a mistake; no folder was touched, and ``provider`` is not entered."""

    plan: Plan
    provider: Provider
    prices: PriceBook
    notices: tuple[str, ...]


async def _judge(manifest: Manifest, folder: RunFolder, options: Options, listen: Listener) -> _Judged:
    """Raise :class:`UsageError` with all that is wrong with the provider's key and address and with the plan.

    A plan too large for an unconfirmed run is only counted: :func:`_refuse_early` refuses it.
    """
    service = service_of(manifest)
    together = Together()
    with together.noted():
        provider = choose_provider(
            service, concurrency=connections_for(manifest.limits.concurrency), state=folder.simulator
        )
    catalogue = None
    with together.noted():
        found = await look_up_catalogue(service)
        catalogue = found.catalogue
    with together.noted():
        files = input_files(manifest, decodes=True, listen=partial(_tell_of_decoding, listen))
        plan = await anyio.to_thread.run_sync(
            lambda: make_plan(
                manifest,
                catalogue,
                memo=memo_in(folder),
                count_only=not options.confirmed and options.selection.limit is None and _is_new(folder, manifest),
                watch=lambda requests: listen(PlanReading(requests)),
                files=files,
            )
        )
    together.refuse()
    prices = await anyio.to_thread.run_sync(prices_of, manifest, catalogue, folder)
    unpriced = unpriced_notice(plan.count_by_model(), prices)
    notices = (*found.notices, *map(str, plan.warnings), *([unpriced] if unpriced else []))
    return _Judged(plan, provider, prices, notices)


def _tell_of_decoding(listen: Listener, done: int, wanted: int) -> None:
    """Pass progress on to the event loop, from the thread that plans; end that thread's work after a first Ctrl-C."""
    anyio.from_thread.check_cancelled()
    anyio.from_thread.run_sync(listen, InputsDecoded(done, wanted))


def _refuse_early(judged: _Judged, folder: RunFolder, options: Options) -> None:
    """Raise :class:`UsageError` for what a run refuses to begin, if that can be said before there is a folder."""
    min_free_bytes(options)
    refuse_partial_prune(options, judged.plan.manifest.shard)
    if options.again and _is_new(folder, judged.plan.manifest):
        raise nothing_stored(folder)
    if judged.plan.counts is None:
        refuse_no_match(judged.plan, options.selection)
    counts, limits = judged.plan.count_by_model(), judged.plan.manifest.limits
    refuse_unpriced(counts, judged.prices, limits, options)
    if _is_new(folder, judged.plan.manifest):
        refuse_unconfirmed(counts, judged.prices, options, limits, shards=judged.plan.manifest.shards)


def _is_new(folder: RunFolder, manifest: Manifest) -> bool:
    """Return whether the plan alone says what is left to buy, and neither a ledger nor another folder nor a bucket."""
    elsewhere = manifest.reuse or manifest.output.pictures
    return not folder.exists and not is_lost(folder) and not elsewhere


def _reported(
    folder: RunFolder, finished: Finished, listen: Listener, live: ProgressFile, bucket: BucketSession | None
) -> RunResult:
    """Bring the derived files up to date, if anything changed; tell how the run ended even if that fails."""
    from batchgen.commands.report import DERIVED, write_derived

    result, report = finished.result, None
    exit_code, reason = finished.exit_code, finished.reason
    try:
        if finished.changed or finished.renewed or not renew_summary(folder):
            tell = partial(_tell_step, live.before(listen), live)
            # Nobody who stopped a run waits for advice, and a disk that failed takes no thumbnails.
            if exit_code in {0, 1, 4} and (left := _looked(folder, tell)):
                with suppress(Exception):
                    listen(Notice(left))
            written = write_derived(folder, listen=tell)
            # Other rows and columns are no news of a run that bought nothing.
            report = written if finished.changed or not finished.renewed else None
        if bucket is not None and bucket.failed is None:
            bucket.publish(folder.root / name for name in DERIVED)
    except LedgerDamaged as error:
        exit_code, reason = ExitCode.DAMAGED, reason or str(error)
    except BucketFailed as error:
        said = f"the lists and the report could not be put into the bucket: {error}; running again does so, free"
        reason = f"{reason}; {said}" if reason else said
        exit_code = ExitCode.STOPPED if exit_code in {0, 1, 4} else exit_code
    except OSError as error:
        said = f"the report could not be written ({error}); `batchgen report {folder.root}` writes it once it can be"
        reason = f"{reason}; {said}" if reason else said
        exit_code = ExitCode.STOPPED if exit_code in {0, 1, 4} else exit_code
    return RunResult(
        folder=folder.root,
        exit_code=exit_code,
        reason=reason,
        states=result.ended + result.passed,
        equal=result.equal,
        report=report,
        unrecorded=result.unrecorded,
        orphans=finished.orphans,
        pruned=finished.pruned,
        withdrawn=finished.withdrawn,
        counts=finished.counts,
    )


def _looked(folder: RunFolder, listen: Callable[[str, int, int], None]) -> str:
    """Look for a moment at pictures that nobody looked at yet; return what is to be said of the rest."""
    from batchgen.store.looks.update import AFTER_A_RUN_S, look_at_new

    step = "looking at new pictures"
    listen(step, 0, 0)
    looked = look_at_new(folder, within_s=AFTER_A_RUN_S, listen=lambda done, wanted: listen(step, done, wanted))
    if not looked.left or looked.problem:
        return ""
    are = counted(looked.left, "picture is", "pictures are")
    return f"{are} not looked at yet (duplicates, blank ones, thumbnails): `batchgen report {folder.root}` looks"


def _tell_step(listen: Listener, live: ProgressFile, name: str, done: int, total: int) -> None:
    # Everything is bought: what a listener does wrong now must not keep the report from being written.
    with suppress(Exception):
        listen(FinalStep(name, done, total))
    live.write(now=not done)


@asynccontextmanager
async def _uninterrupted() -> AsyncIterator[Callable[[Engine], None]]:
    yield lambda _: None
