"""The Python interface: the same calls the command line makes.

    from batchgen import load_manifest, plan, run, open_run

Everything heavy is imported inside the call that needs it, so that ``import batchgen`` costs next to nothing.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from batchgen.errors import ExitCode
    from batchgen.manifest import Manifest, Overrides
    from batchgen.plan.forecast import Forecast, Lookup
    from batchgen.plan.plan import Plan
    from batchgen.provider.choose import Service
    from batchgen.provider.interface import Catalogue
    from batchgen.report import Report, Summary
    from batchgen.request import State
    from batchgen.run.engine import Engine
    from batchgen.run.events import Listener
    from batchgen.run.session import Finished, Options
    from batchgen.store.folder import RunFolder
    from batchgen.store.records import Record

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
    from batchgen.plan.plan import make_plan

    return make_plan(_manifest(manifest))


@dataclass(frozen=True, slots=True)
class RunReport:
    """What a run left: its ``folder``, how it ended, and how many of the plan's requests are in which state.

    ``reason`` says why it ended before its plan did. ``report`` is ``None`` where nothing was sent or finished, or the
    disk took none, so that what stood in the folder still stands. ``unrecorded`` names paid pictures that the ledger
    could not take, and where they are.
    """

    folder: Path
    exit_code: ExitCode
    reason: str | None
    states: Mapping[State, int]
    equal: int
    report: Report | None
    unrecorded: tuple[str, ...] = ()

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

    from batchgen.plan.plan import make_plan
    from batchgen.plan.prices import PriceBook
    from batchgen.provider.choose import choose_provider
    from batchgen.run.events import silent
    from batchgen.run.session import Options, run_plan
    from batchgen.run.signals import interruptible
    from batchgen.store.folder import RunFolder

    loaded = await anyio.to_thread.run_sync(_manifest, manifest)
    place = RunFolder(folder_of(loaded, folder))
    service = service_of(loaded)
    with ExitStack() as stack:
        await anyio.to_thread.run_sync(stack.enter_context, place.opened())
        provider = choose_provider(service, concurrency=loaded.limits.concurrency, state=place.simulator)
        async with interruptible() if signals else _uninterrupted() as watch, provider:
            catalogue = await provider.catalogue()
            finished = await run_plan(
                await anyio.to_thread.run_sync(make_plan, loaded, catalogue),
                provider,
                place,
                PriceBook(loaded.prices, catalogue),
                options=options or Options(),
                listen=listen or silent,
                on_engine=watch,
            )
        return await anyio.to_thread.run_sync(_reported, place, finished)


def forecast(manifest: Manifest | str | Path, *, folder: str | Path | None = None, first: int = 3) -> Forecast:
    """What a run of ``manifest`` in ``folder`` would send, what is done already, and what it may cost.

    Sends nothing but a look-up of the catalogue. Raises :class:`~batchgen.errors.ManifestError`.
    """
    import anyio

    from batchgen.plan.forecast import forecast as count
    from batchgen.plan.plan import make_plan
    from batchgen.plan.prices import PriceBook
    from batchgen.store.folder import RunFolder
    from batchgen.store.ledger import Reader
    from batchgen.store.rebuilding import is_lost, remembered

    loaded = _manifest(manifest)
    catalogue = anyio.run(_catalogue, service_of(loaded))
    place = RunFolder(folder_of(loaded, folder))
    with ExitStack() as stack:
        lookup: Lookup | None = None
        if place.exists:
            lookup = stack.enter_context(closing(Reader(place.ledger))).states
        elif is_lost(place):
            lookup = remembered(place)
        return count(make_plan(loaded, catalogue), PriceBook(loaded.prices, catalogue), lookup, first=first)


def open_run(folder: str | Path) -> Run:
    """The run in ``folder``, for reading: finished long ago, or going on at this moment.

    Raises :class:`~batchgen.errors.LedgerDamaged` where there is no ledger to read.
    """
    from batchgen.store.folder import RunFolder
    from batchgen.store.records import snapshot

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
        from batchgen.store.records import records, snapshot

        with snapshot(self.folder.ledger) as db:
            yield from records(db)


def folder_of(manifest: Manifest, folder: str | Path | None = None) -> Path:
    """Where a manifest's run lives: ``folder``, else its ``output.folder``, else ``outputs/<name>``."""
    return Path(folder or manifest.output.folder or OUTPUTS / manifest.name)


def service_of(manifest: Manifest) -> Service:
    """The service a manifest names, as the provider room takes it."""
    from batchgen.provider.choose import Service

    chosen = manifest.provider
    return Service(chosen.kind, manifest.folder, chosen.base_url, chosen.api_key_env, chosen.simulator)


async def _catalogue(service: Service) -> Catalogue | None:
    from batchgen.provider.choose import choose_provider

    async with choose_provider(service, concurrency=1, need_key=False) as provider:
        return await provider.catalogue()


def _manifest(manifest: Manifest | str | Path) -> Manifest:
    return load_manifest(manifest) if isinstance(manifest, str | Path) else manifest


def _reported(place: RunFolder, finished: Finished) -> RunReport:
    """Brings the derived files up to date, where anything changed; how the run ended is told even where it can't."""
    from batchgen.errors import ExitCode, LedgerDamaged

    result, report = finished.result, None
    exit_code, reason = finished.exit_code, finished.reason
    try:
        if finished.changed or not (place.root / "summary.json").is_file():
            report = _written(place)
    except LedgerDamaged as error:
        exit_code, reason = ExitCode.DAMAGED, reason or str(error)
    except OSError as error:
        said = f"the report could not be written ({error}); `batchgen report {place.root}` writes it once it can be"
        reason = f"{reason}; {said}" if reason else said
        exit_code = ExitCode.STOPPED if exit_code in {0, 1, 4} else exit_code
    states = result.ended + result.passed
    return RunReport(place.root, exit_code, reason, states, result.equal, report, result.unrecorded)


def _written(place: RunFolder) -> Report:
    from batchgen.report import write_report
    from batchgen.store.dataset import write_dataset

    write_dataset(place)
    return write_report(place)


@asynccontextmanager
async def _uninterrupted() -> AsyncIterator[Callable[[Engine], None]]:
    yield lambda _: None


def _has_uvloop() -> bool:
    return importlib.util.find_spec("uvloop") is not None
