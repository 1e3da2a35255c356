"""Whether a run may begin: what is left to buy, what that costs, and what its user has agreed to."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping

from batchgen.errors import UsageError
from batchgen.manifest import Limits
from batchgen.money import dollars
from batchgen.plan.plan import Plan
from batchgen.plan.prices import PriceBook
from batchgen.request import State
from batchgen.run.feeder import CHUNK
from batchgen.run.options import Options
from batchgen.run.reuse import SETTLED
from batchgen.store.past import Past
from batchgen.store.reuse import Sources

# Up to this many requests and this much money a run starts unconfirmed.
UNCONFIRMED_REQUESTS = 10_000
UNCONFIRMED_MICROUSD = 50_000_000


def expected_microusd(planned: Mapping[str, int], prices: PriceBook) -> int:
    """What so many requests of each model are expected to cost; models without a known price count as nothing."""
    priced = ((count, prices.price(model)) for model, count in planned.items())
    return sum(count * price.expected_microusd for count, price in priced if price)


def to_buy(plan: Plan, past: Past, planned: Mapping[str, int], sources: Sources | None) -> Mapping[str, int]:
    """How many requests of each model are stored neither here nor in ``sources``; equal ones are counted each."""
    if past.empty and sources is None:
        return planned
    found: Counter[str] = Counter()
    requests = iter(plan)
    while batch := list(itertools.islice(requests, CHUNK)):
        states = past.states([request.key for request in batch])
        open_ones = [request for request in batch if states.get(request.key) is not State.STORED]
        taken = sources.find([one.key for one in open_ones if states.get(one.key) not in SETTLED]) if sources else {}
        found.update(request.model for request in open_ones if request.key not in taken)
    past.whole = True
    return found


def refuse_unpriced(planned: Mapping[str, int], prices: PriceBook, limits: Limits, options: Options) -> None:
    """Raises :class:`UsageError` where a budget is to be kept and nobody knows what a model costs."""
    unknown = sorted(model for model in planned if prices.price(model) is None)
    if (limits.budget_microusd is not None or options.night_microusd is not None) and unknown:
        raise UsageError(
            f"the budget can't be kept: nobody states a price for {', '.join(unknown)}; "
            f"give it as `prices: {{{unknown[0]}: 0.04}}`"
        )


def refuse_unconfirmed(requests: int, expected: int, options: Options, limits: Limits) -> None:
    """Raises :class:`UsageError` where so much was not agreed to."""
    if options.confirmed or options.selection.limit is not None:
        return
    if requests > UNCONFIRMED_REQUESTS:
        raise UsageError(
            f"{requests:,} requests are more than the {UNCONFIRMED_REQUESTS:,} of an unconfirmed run; "
            "look at `batchgen plan`, then confirm with --yes, or try --limit 20 first"
        )
    if expected > UNCONFIRMED_MICROUSD and limits.budget_microusd is None and options.night_microusd is None:
        raise UsageError(
            f"about {dollars(expected)} is more than the {dollars(UNCONFIRMED_MICROUSD)} of an unconfirmed run; "
            "look at `batchgen plan`, then confirm with --yes, or set --budget"
        )
