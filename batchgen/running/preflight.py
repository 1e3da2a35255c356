"""Whether a run may begin: what is left to buy, what that costs, and what its user has agreed to."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping

from batchgen.errors import UsageError, nearest
from batchgen.manifest import Limits, Shard
from batchgen.money import dollars
from batchgen.planning.plan import Plan
from batchgen.planning.prices import PriceBook
from batchgen.request import Request
from batchgen.running.buy.reuse import SETTLED
from batchgen.running.options import Options
from batchgen.running.schedule.feeder import CHUNK
from batchgen.running.schedule.selection import Selection, value_of
from batchgen.store.ledger.plan_diff import PlanDiff
from batchgen.store.pictures.other_folders import Sources

# Up to this many requests and this much money a run starts unconfirmed.
UNCONFIRMED_REQUESTS = 10_000
UNCONFIRMED_MICROUSD = 50_000_000
# So many values of one name are listed, and so many are kept to find the nearest among.
_LISTED = 8
_KEPT = 10_000


def expected_microusd(planned: Mapping[str, int], prices: PriceBook) -> int:
    """Return what so many requests of each model are expected to cost; models of unknown price count as nothing."""
    priced = ((count, prices.price(model)) for model, count in planned.items())
    return sum(count * price.expected_microusd for count, price in priced if price)


def to_buy(plan: Plan, diff: PlanDiff, sources: Sources | None) -> Mapping[str, int]:
    """Return, by model, how many requests are stored neither here nor in ``sources``; equal ones are counted each."""
    if sources is None:
        return {model: len(places) for model, places in plan.outline.by_model(diff.open_positions).items()}
    found: Counter[str] = Counter()
    requests = plan.at(diff.open_positions)
    while batch := list(itertools.islice(requests, CHUNK)):
        states = diff.states([request.key for request in batch])
        taken = sources.find([one.key for one in batch if states.get(one.key) not in SETTLED])
        found.update(request.model for request in batch if request.key not in taken)
    return found


def refuse_partial_prune(options: Options, shard: Shard | None = None) -> None:
    """Raise :class:`UsageError` if a part of a plan was asked for, since pruning needs the whole plan."""
    if options.prune and not options.selection.takes_all:
        raise UsageError("--prune needs the whole manifest: leave out --only and --limit, or use `batchgen prune`")
    if options.prune and shard is not None:
        raise UsageError(
            f"--prune can't see from shard {shard} whether another shard has stored what takes a name's place; once "
            f"all shards are done, use `batchgen prune JOB --shard {shard}`"
        )


def refuse_unpriced(planned: Mapping[str, int], prices: PriceBook, limits: Limits, options: Options) -> None:
    """Raise :class:`UsageError` if a budget is to be kept and nobody knows what a model costs."""
    unknown = _unpriced(planned, prices)
    if (limits.budget_microusd is not None or options.night_microusd is not None) and unknown:
        raise UsageError(
            f"the budget can't be kept: nobody states a price for {', '.join(unknown)}; {_how_to_price(unknown[0])}"
        )


def unpriced_notice(planned: Mapping[str, int], prices: PriceBook) -> str | None:
    """Return what follows from prices that nobody states; ``None`` if each is known."""
    unknown = _unpriced(planned, prices)
    if not unknown:
        return None
    return (
        f"nobody states a price for {', '.join(unknown)}: a request in doubt is held there, never repeated unasked; "
        f"{_how_to_price(unknown[0])}"
    )


def _unpriced(planned: Mapping[str, int], prices: PriceBook) -> list[str]:
    return sorted(model for model, count in planned.items() if count and prices.price(model) is None)


def _how_to_price(model: str) -> str:
    return f"give it as `prices: {{{model}: 0.04}}`, or as `prices: {{{model}: 0}}` if the service costs nothing"


def refuse_unconfirmed(
    left: Mapping[str, int], prices: PriceBook, options: Options, limits: Limits, *, shards: int = 1
) -> None:
    """Raise :class:`UsageError` if nobody agreed to buy as much as is ``left`` of each model.

    One purchase is not made smaller by being made in ``shards``, of which ``left`` is one.
    """
    if options.confirmed:
        return
    taken = _dearest(left, prices, options.selection.limit)
    requests, expected = sum(taken.values()), expected_microusd(taken, prices)
    each = f" in each of {shards:,} shards" if shards > 1 else ""
    if shards * requests > UNCONFIRMED_REQUESTS:
        raise UsageError(
            f"{requests:,} requests{each} are more than the {UNCONFIRMED_REQUESTS:,} of an unconfirmed run; "
            "look at `batchgen plan`, then confirm with --yes, or try --limit 20 first"
        )
    if shards * expected > UNCONFIRMED_MICROUSD and limits.budget_microusd is None and options.night_microusd is None:
        raise UsageError(
            f"about {dollars(expected)}{each} is more than the {dollars(UNCONFIRMED_MICROUSD)} of an unconfirmed run; "
            "look at `batchgen plan`, then confirm with --yes, or set --budget"
        )


def _dearest(left: Mapping[str, int], prices: PriceBook, limit: int | None) -> Mapping[str, int]:
    """Return the dearest ``limit`` requests of those that are ``left``: nobody knows yet which ones come first."""
    if limit is None:
        return left
    taken: dict[str, int] = {}
    for model in sorted(left, key=lambda model: -expected_microusd({model: 1}, prices)):
        taken[model] = min(left[model], limit - sum(taken.values()))
    return taken


def refuse_no_match(plan: Plan, selection: Selection) -> None:
    """Raise :class:`UsageError` if no request of the plan has what ``selection.only`` asks for.

    Of some values, a shard may have none while others have some: that is no mistake of its command line.
    """
    if not selection.only:
        return
    known: dict[str, None] = {}
    values: dict[str, dict[str, None]] = {name: {} for name in selection.only}
    for request in plan.whole():
        if selection.takes(request):
            return
        known.update(dict.fromkeys(_names(request)))
        for name, found in values.items():
            if len(found) < _KEPT and (value := value_of(request, name)) is not None:
                found[value] = None
    raise UsageError(_why(selection.only, known, values))


def _names(request: Request) -> tuple[str, ...]:
    return ("model", "repeat", *request.axes, *request.parameters, *request.columns)


def _why(only: Mapping[str, str], known: Mapping[str, None], values: Mapping[str, Mapping[str, None]]) -> str:
    for name, value in only.items():
        asked, found = f"--only {name}={value}", values[name]
        if not found:
            hint = nearest(name, known) or f"there are {', '.join(known)}"
            return f"{asked}: no request has an axis, a parameter or a column {name!r}; {hint}"
        if value not in found:
            listed = ", ".join(map(repr, list(found)[:_LISTED])) + (" …" if len(found) > _LISTED else "")
            return f"{asked}: no request has that value; {nearest(value, found) or f'there are {listed}'}"
    return f"--only: no request has all of {', '.join(f'{name}={value}' for name, value in only.items())}"
