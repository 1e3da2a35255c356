"""The Python interface: the same calls the command line makes.

    from batchgen import load_manifest, plan, run, open_run

Everything heavy is imported inside the call that needs it, so that ``import batchgen`` costs next to nothing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchgen.errors import ExitCode
    from batchgen.manifest import Manifest, Overrides
    from batchgen.planning.forecast import Forecast, StateLookup
    from batchgen.planning.plan import Plan
    from batchgen.planning.prices import PriceBook
    from batchgen.planning.reasons import Explained, Reason
    from batchgen.provider.catalogue_cache import CatalogueLookup
    from batchgen.provider.choose import Service
    from batchgen.provider.interface import Catalogue, Provider
    from batchgen.report import Report, Summary
    from batchgen.request import State
    from batchgen.running.engine import Engine
    from batchgen.running.events import Listener
    from batchgen.running.options import Options
    from batchgen.running.result import Finished
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.ledger.plan_diff import Orphans
    from batchgen.store.ledger.records import Record

OUTPUTS = Path("outputs")


def load_manifest(path: str | Path, *, overrides: Overrides | None = None) -> Manifest:
    """The manifest at ``path`` (YAML, CSV, TSV, JSONL or text).

    Raises :class:`~batchgen.errors.ManifestError` with every problem in it.
    """
    from batchgen.manifest import load_manifest

    return load_manifest(path, overrides=overrides)


def plan(manifest: Manifest | str | Path) -> Plan:
    """Every request of a manifest, as a stream. Touches no network.

    Raises :class:`~batchgen.errors.ManifestError` with every problem that shows when rows meet axes.
    """
    from batchgen.planning.plan import make_plan

    return make_plan(_manifest(manifest))


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run left: its ``folder``, how it ended, and how many of the plan's requests are in which state.

    ``reason`` says why it ended before its plan did. ``report`` is ``None`` where nothing was sent or finished, or the
    disk took none, so that what stood in the folder still stands. ``unrecorded`` names paid pictures that the ledger
    could not take, and where they are. ``orphans`` are what the manifest no longer asks for, where the whole of it was
    read; ``pruned`` of them were moved to the trash, and ``returned`` requests came back from it. ``withdrawn`` ones
    had ended without a picture, and are not asked for any more.
    """

    folder: Path
    exit_code: ExitCode
    reason: str | None
    states: Mapping[State, int]
    equal: int
    report: Report | None
    unrecorded: tuple[str, ...] = ()
    orphans: Orphans | None = None
    pruned: int = 0
    returned: int = 0
    withdrawn: int = 0

    def summary(self) -> Summary:
        """What ``summary.json`` says of the whole folder."""
        return self.report.summary if self.report is not None else open_run(self.folder).summary()


def run(
    manifest: Manifest | str | Path,
    *,
    folder: str | Path | None = None,
    options: Options | None = None,
    listen: Listener | None = None,
) -> RunReport:
    """Runs or resumes a manifest and waits for its end; the first Ctrl-C drains it, the second lets go.

    ``folder`` defaults to the manifest's ``output.folder``, or ``outputs/<name>``. ``listen`` hears every event.
    Raises :class:`~batchgen.errors.UsageError` before anything is sent, and
    :class:`~batchgen.errors.FolderInUse` or :class:`~batchgen.errors.LedgerDamaged`.
    """
    import anyio

    main = partial(run_async, manifest, folder=folder, options=options, listen=listen, signals=True)
    return anyio.run(main, backend_options={"use_uvloop": _has_uvloop()})


async def run_async(
    manifest: Manifest | str | Path,
    *,
    folder: str | Path | None = None,
    options: Options | None = None,
    listen: Listener | None = None,
    signals: bool = False,
) -> RunReport:
    """As :func:`run`, inside a running event loop, asyncio or trio. ``signals`` is for the main thread only."""
    import anyio.to_thread

    from batchgen.running.events import Notice, silent
    from batchgen.running.options import Options, within
    from batchgen.running.setup import run_plan
    from batchgen.running.signals import interruptible
    from batchgen.store.folder.run_folder import RunFolder

    loaded = await anyio.to_thread.run_sync(_manifest, manifest)
    options = within(loaded.limits, options or Options())
    place = RunFolder(folder_of(loaded, folder))
    with ExitStack() as stack:
        async with interruptible() if signals else _uninterrupted() as watch:
            judged = await _judge(loaded, place)
            await anyio.to_thread.run_sync(_refuse_early, judged, place, options)
            opened = place.opened(force_unlock=options.force_unlock)
            await anyio.to_thread.run_sync(stack.enter_context, opened)
            async with judged.provider:
                for notice in judged.notices:
                    (listen or silent)(Notice(notice))
                finished = await run_plan(
                    judged.plan,
                    judged.provider,
                    place,
                    judged.prices,
                    options=options,
                    listen=listen or silent,
                    on_engine=watch,
                )
        return await anyio.to_thread.run_sync(_reported, place, finished)


def forecast(manifest: Manifest | str | Path, *, folder: str | Path | None = None, first: int = 3) -> Forecast:
    """What a run of ``manifest`` in ``folder`` would send, what is done already, and what it may cost.

    Sends nothing but a look-up of the catalogue. Raises :class:`~batchgen.errors.ManifestError`.
    """
    return outlook(manifest, folder=folder, first=first).forecast


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan's ``forecast``, how many of its requests there are for each reason, and the ``first`` that are not done.

    ``orphans`` are what the folder holds and the manifest no longer asks for; ``None`` where there is no ledger.
    """

    forecast: Forecast
    reasons: Mapping[Reason, int]
    first: tuple[Explained, ...]
    orphans: Orphans | None


def outlook(
    manifest: Manifest | str | Path,
    *,
    folder: str | Path | None = None,
    first: int = 3,
    tell: Callable[[Explained], None] | None = None,
) -> Outlook:
    """As :func:`forecast`, with the reason of each request; ``tell`` hears every one, in the plan's order.

    Sends nothing but a look-up of the catalogue. Raises :class:`~batchgen.errors.ManifestError`.
    """
    import anyio

    from batchgen.planning.forecast import forecast as count
    from batchgen.planning.plan import make_plan
    from batchgen.planning.reasons import by_reason, explained, look_over
    from batchgen.provider.choose import look_up_catalogue
    from batchgen.store.dataset.leftovers import is_lost, remembered
    from batchgen.store.folder.plan_cache import memo_in
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.ledger.nearest_bought import Relatives
    from batchgen.store.ledger.plan_diff import PlanDiff
    from batchgen.store.pictures.other_folders import Sources

    loaded = _manifest(manifest)
    found = anyio.run(look_up_catalogue, service_of(loaded))
    place = RunFolder(folder_of(loaded, folder))
    planned = make_plan(loaded, found.catalogue, memo=memo_in(place))
    with ExitStack() as stack:
        past: PlanDiff | None = None
        lookup: StateLookup | None = None
        if place.exists:
            past = stack.enter_context(closing(PlanDiff(place.ledger, planned.outline.numbers)))
            lookup = past.states
        elif is_lost(place):
            lookup = remembered(place)
        simulated = loaded.provider.kind == "simulator"
        sources = stack.enter_context(closing(Sources(loaded.reuse, own=place, simulated=simulated)))
        counted = count(
            planned,
            _prices(loaded, found.catalogue, place),
            lookup,
            elsewhere=sources.find if loaded.reuse else None,
            first=first,
            limits=loaded.limits,
            notices=_notices(found, planned),
        )
        orphans = past.orphans() if past else None
        relatives = Relatives(past) if past and orphans and orphans.count and counted.new else None
        look = look_over(
            explained(planned, lookup or (lambda _: {}), relatives.of if relatives else (lambda _: ())),
            first=first if relatives or tell else min(first, counted.open),
            whole=relatives is not None or tell is not None,
            tell=tell,
        )
        return Outlook(counted, by_reason(counted.by_state, look.changed), look.first, orphans)


def explain(
    manifest: Manifest | str | Path,
    wanted: str,
    *,
    folder: str | Path | None = None,
    notice: Callable[[str], None] | None = None,
) -> tuple[Explained, ...]:
    """Why requests would be sent or not: those of a row's number, or the one whose key begins with ``wanted``.

    A new request is held against everything the folder ever bought. Sends nothing but a look-up of the catalogue, by
    which aliases and videos are told; ``notice`` hears where an old copy of it, or none, had to do. Raises
    :class:`~batchgen.errors.UsageError` where nothing, or more than one key, is meant.
    """
    from batchgen.planning.explaining import explain_one, pick
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.ledger.nearest_bought import Relatives, all_bought
    from batchgen.store.ledger.plan_diff import PlanDiff

    loaded = _manifest(manifest)
    planned = _planned(loaded, notice)
    place = RunFolder(folder_of(loaded, folder))
    picked = pick(planned, wanted)
    with ExitStack() as stack:
        if not place.exists:
            return tuple(explain_one(one, None, (), ()) for one in picked)
        past = stack.enter_context(closing(PlanDiff(place.ledger, planned.outline.numbers)))
        states = past.states([one.key for one in picked])
        relatives = Relatives(past)
        return tuple(explain_one(one, states.get(one.key), relatives.of(one), all_bought(past)) for one in picked)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What `prune` moved to the trash, and how many failures the folder no longer lists, being ``withdrawn``."""

    folder: Path
    orphans: Orphans
    withdrawn: int
    report: Report | None


def prune(
    manifest: Manifest | str | Path,
    *,
    folder: str | Path | None = None,
    notice: Callable[[str], None] | None = None,
) -> Pruned:
    """Moves the pictures that a manifest no longer asks for to the folder's trash; buys nothing and deletes nothing.

    They come back by themselves when they are asked for again. The catalogue is looked up, as for :func:`explain`.
    Raises :class:`~batchgen.errors.FolderInUse`.
    """
    import anyio

    from batchgen.errors import UsageError
    from batchgen.store.folder.run_folder import RunFolder

    loaded = _manifest(manifest)
    planned = _planned(loaded, notice)
    place = RunFolder(folder_of(loaded, folder))
    if not place.exists:
        raise UsageError(f"{place.root}: there is no ledger here; is this a run folder?")
    with place.opened():
        orphans, withdrawn = anyio.run(_prune, planned, place)
        return Pruned(place.root, orphans, withdrawn, _written(place) if orphans.count or withdrawn else None)


async def _prune(planned: Plan, place: RunFolder) -> tuple[Orphans, int]:
    from batchgen.running.tidying import Tidying
    from batchgen.store.ledger.ledger import open_ledger
    from batchgen.store.ledger.plan_diff import PlanDiff

    async with open_ledger(place.ledger, provider=planned.manifest.provider.kind) as ledger:
        with closing(PlanDiff(place.ledger, planned.outline.numbers)) as past:
            tidying = Tidying(ledger, past, place, planned)
            orphans = await tidying.orphans()
            await tidying.prune()
            withdrawn = await tidying.withdraw()
            await tidying.finish()
            return orphans, withdrawn


@dataclass(frozen=True, slots=True)
class Restored:
    """How many requests' pictures `restore` brought back, and the files they are, relative to ``folder``."""

    folder: Path
    requests: int
    files: tuple[str, ...]
    report: Report


def restore(folder: str | Path, names: Sequence[str]) -> Restored:
    """Brings pictures back from the trash of a run folder, by names they had or by keys; sends and pays nothing.

    All or none: raises :class:`~batchgen.errors.UsageError` with everything that is in the way. Raises
    :class:`~batchgen.errors.FolderInUse` while a run is going on.
    """
    import anyio

    from batchgen.running import restoring
    from batchgen.store.folder.run_folder import RunFolder

    place = RunFolder(Path(folder))
    restored = anyio.run(restoring.restore, place, names)
    return Restored(place.root, restored.requests, restored.files, _written(place))


def open_run(folder: str | Path) -> Run:
    """The run in ``folder``, for reading: finished long ago, or going on at this moment.

    Raises :class:`~batchgen.errors.LedgerDamaged` where there is no ledger to read.
    """
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.ledger.records import snapshot

    place = RunFolder(Path(folder))
    with snapshot(place.ledger):
        return Run(place)


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder, for reading. Made by :func:`open_run`."""

    folder: RunFolder

    def summary(self) -> Summary:
        """What ``summary.json`` says, of this moment."""
        from batchgen.report import summarise

        return summarise(self.folder)

    def records(self) -> Iterator[Record]:
        """Every request that was touched, in the plan's order: its words, its money, its pictures."""
        from batchgen.store.ledger.records import records, snapshot

        with snapshot(self.folder.ledger) as db:
            yield from records(db)


def folder_of(manifest: Manifest, folder: str | Path | None = None) -> Path:
    """Where a manifest's run lives: ``folder``, else its ``output.folder``, else ``outputs/<name>``.

    Raises :class:`UsageError` where ``folder`` is the address of a bucket or a server.
    """
    from batchgen.errors import UsageError
    from batchgen.manifest.names import elsewhere_problem

    if folder is not None and (problem := elsewhere_problem(str(folder))):
        raise UsageError(f"the run folder {problem}")
    return Path(folder or manifest.output.folder or OUTPUTS / manifest.name)


def service_of(manifest: Manifest) -> Service:
    """The service a manifest names, as the provider room takes it."""
    from batchgen.provider.choose import Service

    chosen = manifest.provider
    return Service(chosen.kind, manifest.folder, chosen.base_url, chosen.api_key_env, chosen.simulator, chosen.options)


def _planned(manifest: Manifest, notice: Callable[[str], None] | None) -> Plan:
    """The plan that a run would follow: without the catalogue, requests would have other keys."""
    import anyio

    from batchgen.planning.plan import make_plan
    from batchgen.provider.choose import look_up_catalogue

    found = anyio.run(look_up_catalogue, service_of(manifest))
    if found.notice and notice:
        notice(found.notice)
    return make_plan(manifest, found.catalogue)


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a run needs and nothing was wrong with; its folder was not touched, and ``provider`` is not entered."""

    plan: Plan
    provider: Provider
    prices: PriceBook
    notices: tuple[str, ...]


async def _judge(manifest: Manifest, place: RunFolder) -> _Judged:
    """Raises :class:`UsageError` with all that is wrong with the provider's key and address and with the plan."""
    import anyio.to_thread

    from batchgen.errors import Together
    from batchgen.planning.plan import make_plan
    from batchgen.provider.choose import choose_provider, look_up_catalogue
    from batchgen.store.folder.plan_cache import memo_in

    service = service_of(manifest)
    together = Together()
    with together.noted():
        provider = choose_provider(service, concurrency=manifest.limits.concurrency, state=place.simulator)
    catalogue = None
    with together.noted():
        found = await look_up_catalogue(service)
        catalogue = found.catalogue
    with together.noted():
        planned = await anyio.to_thread.run_sync(lambda: make_plan(manifest, catalogue, memo=memo_in(place)))
    together.refuse()
    prices = await anyio.to_thread.run_sync(_prices, manifest, catalogue, place)
    return _Judged(planned, provider, prices, _notices(found, planned))


def _refuse_early(judged: _Judged, place: RunFolder, options: Options) -> None:
    """Raises :class:`UsageError` for what a run refuses to begin, where that can be said before there is a folder."""
    from batchgen.running.options import min_free_bytes
    from batchgen.running.preflight import refuse_no_match, refuse_unconfirmed, refuse_unpriced
    from batchgen.store.dataset.leftovers import is_lost

    min_free_bytes(options)
    refuse_no_match(judged.plan, options.selection)
    counts, limits = judged.plan.count_by_model(), judged.plan.manifest.limits
    refuse_unpriced(counts, judged.prices, limits, options)
    # Else the ledger, or another folder, says what is left to buy.
    if not place.exists and not is_lost(place) and not judged.plan.manifest.reuse:
        refuse_unconfirmed(counts, judged.prices, options, limits)


def _notices(found: CatalogueLookup, planned: Plan) -> tuple[str, ...]:
    return (*([found.notice] if found.notice else []), *map(str, planned.warnings))


def _prices(manifest: Manifest, catalogue: Catalogue | None, place: RunFolder) -> PriceBook:
    from batchgen.planning.prices import PriceBook
    from batchgen.planning.video_pricing import usual_length_s
    from batchgen.store.ledger.price_history import experience

    seen = experience(place.ledger, provider=manifest.provider.kind)
    return PriceBook(manifest.prices, catalogue, seen, usual_s=usual_length_s(manifest))


def _manifest(manifest: Manifest | str | Path) -> Manifest:
    return load_manifest(manifest) if isinstance(manifest, str | Path) else manifest


def _reported(place: RunFolder, finished: Finished) -> RunReport:
    """Brings the derived files up to date, where anything changed; how the run ended is told even where it can't."""
    from batchgen.errors import ExitCode, LedgerDamaged
    from batchgen.store.dataset.summary_patch import renew_summary

    result, report = finished.result, None
    exit_code, reason = finished.exit_code, finished.reason
    try:
        if finished.changed or finished.renewed or not renew_summary(place):
            written = _written(place, look=exit_code in {0, 1, 4})
            # Other rows and columns are no news of a run that bought nothing.
            report = written if finished.changed or not finished.renewed else None
    except LedgerDamaged as error:
        exit_code, reason = ExitCode.DAMAGED, reason or str(error)
    except OSError as error:
        said = f"the report could not be written ({error}); `batchgen report {place.root}` writes it once it can be"
        reason = f"{reason}; {said}" if reason else said
        exit_code = ExitCode.STOPPED if exit_code in {0, 1, 4} else exit_code
    states = result.ended + result.passed
    return RunReport(
        place.root,
        exit_code,
        reason,
        states,
        result.equal,
        report,
        result.unrecorded,
        finished.orphans,
        finished.pruned,
        finished.returned,
        finished.withdrawn,
    )


def _written(place: RunFolder, *, look: bool = False) -> Report:
    from batchgen.report import write_report
    from batchgen.store.dataset.metadata import write_dataset
    from batchgen.store.looks.update import AFTER_A_RUN_S, look_at_new

    # Nobody who stopped a run waits for advice, and a disk that gave in takes no thumbnails.
    if look:
        look_at_new(place, within_s=AFTER_A_RUN_S)
    report = write_report(place)
    write_dataset(place, report.checks)
    return report


@asynccontextmanager
async def _uninterrupted() -> AsyncIterator[Callable[[Engine], None]]:
    yield lambda _: None


def _has_uvloop() -> bool:
    return importlib.util.find_spec("uvloop") is not None
