"""What a run of a manifest would send and what it may cost; sends nothing but a look-up of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from batchgen.commands.input_memory import input_files
from batchgen.commands.job import folder_of, manifest_of, prices_of, service_of
from batchgen.commands.other_splits import told_other_splits
from batchgen.commands.ownership import foreign_owner
from batchgen.manifest import Limits, Manifest
from batchgen.planning.affordable import affordable
from batchgen.planning.forecast import Forecast, StateLookup, forecast_of_counts
from batchgen.planning.forecast import forecast as forecast_requests
from batchgen.planning.plan import Plan, Watch, make_plan
from batchgen.planning.prices import PriceBook
from batchgen.planning.reasons import Explained, Reason, by_reason, explained, look_over
from batchgen.provider.choose import look_up_catalogue
from batchgen.provider.interface import Price
from batchgen.running import orphans
from batchgen.running.again import asked_again, nothing_stored, open_takes
from batchgen.running.outer_loop import wait_for
from batchgen.running.relink import look, open_stems
from batchgen.store.dataset.leftovers import is_lost, remembered
from batchgen.store.folder.plan_cache import memo_in
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import names
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.nearest_bought import Relatives
from batchgen.store.ledger.plan_diff import Orphans, PlanDiff
from batchgen.store.ledger.reader import NightSpent, Reader
from batchgen.store.pictures.other_folders import Sources

_COUNTED = "so many combinations are counted, equal ones each; `run` makes every one of them before anything is sent"


def plan(manifest: Manifest | str | Path) -> Plan:
    """Return every request of a manifest, as a stream. Touch no network.

    Raise :class:`~batchgen.errors.ManifestError` with every problem that shows when rows meet axes.
    """
    loaded = manifest_of(manifest)
    return make_plan(loaded, files=input_files(loaded))


def forecast(manifest: Manifest | str | Path, *, folder: str | Path | None = None, first: int = 3) -> Forecast:
    """Return what a run of ``manifest`` in ``folder`` would send, what is done already, and what it may cost.

    Send nothing but a look-up of the catalogue. Raise :class:`~batchgen.errors.ManifestError`.
    """
    return outlook(manifest, folder=folder, first=first).forecast


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan's ``forecast``, how many of its requests there are for each reason, and the ``first`` that are not done.

    ``orphans`` are what the folder holds and the manifest no longer asks for; ``None`` if there is no ledger.
    ``budgets`` are what the folder and the night may still cost; ``gone`` names are missing from ``images/``, and come
    back at the next run if it ``restores`` them. ``takes`` are further pictures that persons asked for, if any.
    """

    forecast: Forecast
    reasons: Mapping[Reason, int]
    first: tuple[Explained, ...]
    orphans: Orphans | None
    budgets: tuple[BudgetLeft, ...] = ()
    gone: tuple[str, ...] = ()
    restores: bool = False
    takes: TakesPrice | None = None


@dataclass(frozen=True, slots=True)
class TakesPrice:
    """What further takes of ``count`` stored requests cost together, those whose price anybody states."""

    count: int
    price: Price | None
    unpriced: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BudgetLeft:
    """A budget, of the folder or of a ``night``: what is left of it, and for how many new requests that is ``enough``.

    ``ends_ms`` is when the next night may begin; ``None`` if this one has not.
    """

    night: bool
    cap_microusd: int
    left_microusd: int
    enough: int
    ends_ms: int | None = None


def outlook(
    manifest: Manifest | str | Path,
    *,
    folder: str | Path | None = None,
    first: int = 3,
    tell: Callable[[Explained], None] | None = None,
    watch: Watch | None = None,
    night_microusd: int | None = None,
    again: Sequence[str] = (),
) -> Outlook:
    """Return a forecast with the reason of each request; ``tell`` hears every one, in the plan's order.

    A plan of very many combinations in a new folder is counted without making each. ``watch`` hears how many requests
    were read so far. ``night_microusd`` stands above the manifest's budget of a night. ``again`` are words for stored
    requests of which another picture would be bought.

    Send nothing but a look-up of the catalogue. Raise :class:`~batchgen.errors.ManifestError`.
    """
    loaded = manifest_of(manifest)
    found = wait_for(look_up_catalogue, service_of(loaded))
    run_folder = RunFolder(folder_of(loaded, folder))
    new = not (run_folder.exists or is_lost(run_folder) or loaded.reuse or tell)
    if again and not run_folder.exists:
        raise nothing_stored(run_folder)
    memo, files = memo_in(run_folder), input_files(loaded)
    if night_microusd is not None and loaded.shard is not None:
        night_microusd = loaded.shard.part_of(night_microusd)
    limits = loaded.limits if night_microusd is None else replace(loaded.limits, night_microusd=night_microusd)
    planned = make_plan(loaded, found.catalogue, memo=memo, count_only=new, watch=watch, files=files)
    if planned.counts is not None:
        notices = (*found.notices, *map(str, planned.warnings), _COUNTED)
        some = tuple(islice(planned, first))
        prices = prices_of(loaded, found.catalogue, run_folder)
        counted = forecast_of_counts(planned.counts, prices, first=some, limits=loaded.limits, notices=notices)
        return Outlook(
            counted,
            {Reason.NEW: counted.requests},
            tuple(Explained(one, Reason.NEW) for one in some),
            orphans=None,
            budgets=tuple(_budgets(limits, counted, run_folder)),
        )
    with ExitStack() as stack:
        diff: PlanDiff | None = None
        lookup: StateLookup | None = None
        if run_folder.exists:
            diff = stack.enter_context(closing(PlanDiff(run_folder.ledger, planned.outline.numbers)))
            lookup = diff.states
        elif is_lost(run_folder):
            lookup = remembered(run_folder)
        owner = foreign_owner(planned, run_folder)
        simulated = loaded.provider.kind == "simulator"
        sources = stack.enter_context(closing(Sources(loaded.reuse, own=run_folder, simulated=simulated)))
        prices = prices_of(loaded, found.catalogue, run_folder)
        counted = forecast_requests(
            planned,
            prices,
            lookup,
            elsewhere=sources.find if loaded.reuse else None,
            first=first,
            limits=loaded.limits,
            notices=(
                *filter(None, (owner, told_other_splits(planned, run_folder))),
                *found.notices,
                *_of_list(prices, planned.outline.models),
                *map(str, planned.warnings),
            ),
        )
        left = orphans.told(diff, open_stems(planned, diff)) if diff else None
        relatives = Relatives(diff) if diff and left and left.count and counted.new else None
        look = look_over(
            explained(planned, lookup or (lambda _: {}), relatives.of if relatives else (lambda _: ())),
            first=first if relatives or tell else min(first, counted.open),
            whole=relatives is not None or tell is not None,
            tell=tell,
        )
        return Outlook(
            counted,
            by_reason(counted.by_state, look.changed),
            look.first,
            left,
            tuple(_budgets(limits, counted, run_folder)),
            tuple(_gone(run_folder)),
            restores=loaded.output.deleted == "restore",
            takes=_takes_price(planned, diff, run_folder, prices, again) if diff else None,
        )


def _takes_price(
    plan: Plan, diff: PlanDiff, folder: RunFolder, prices: PriceBook, again: Sequence[str]
) -> TakesPrice | None:
    """Return what further takes cost: those of ``again``, and those that earlier runs were asked for."""
    asked = {one.key: one for one in asked_again(plan, diff, folder, again)}
    with closing(Reader(folder.ledger)) as reader:
        asked |= {one.key: one for one in open_takes(plan, diff, reader, ())}
    if not asked:
        return None
    found = [(one.model, prices.price_of(one)) for one in asked.values()]
    known = [price for _, price in found if price is not None]
    total = Price(
        sum(one.low_microusd for one in known),
        sum(one.expected_microusd for one in known),
        sum(one.high_microusd for one in known),
        ", ".join(dict.fromkeys(one.source for one in known)),
    )
    unpriced = tuple(sorted({model for model, price in found if price is None}))
    return TakesPrice(len(asked), total if known else None, unpriced)


def _of_list(prices: PriceBook, models: Sequence[str]) -> Iterator[str]:
    """Yield from which list the prices of ``models`` are, if any are, and how old that is."""
    price_list, listed = prices.from_list(models)
    if price_list is not None and listed:
        today = datetime.now(UTC).date()
        yield f"{', '.join(listed)}: priced by {price_list.told(today)}; `prices:` in the job file goes before it"


def _budgets(limits: Limits, forecast: Forecast, folder: RunFolder) -> Iterator[BudgetLeft]:
    """Yield each budget there is, held against what is to be bought."""
    spent_microusd, tonight = 0, NightSpent()
    if folder.exists:
        with closing(Reader(folder.ledger)) as reader:
            spent = reader.spent()
            spent_microusd = spent.billed_microusd + spent.maybe_microusd + spent.estimated_microusd
            tonight = reader.night(now_ms=now_ms())
    models = forecast.by_model.values()
    if (cap := limits.budget_microusd) is not None:
        left = max(0, cap - spent_microusd)
        yield BudgetLeft(night=False, cap_microusd=cap, left_microusd=left, enough=affordable(models, left))
    if (cap := limits.night_microusd) is not None:
        left = max(0, cap - tonight.microusd)
        enough = affordable(models, left)
        yield BudgetLeft(night=True, cap_microusd=cap, left_microusd=left, enough=enough, ends_ms=tonight.ends_ms)


def _gone(folder: RunFolder) -> list[str]:
    """Return the names of pictures that are missing from ``images/``, or were deleted before."""
    if not folder.exists:
        return []
    with closing(Reader(folder.ledger)) as reader:
        return sorted({*look(folder, reader).gone, *names.deleted(reader.db)})
