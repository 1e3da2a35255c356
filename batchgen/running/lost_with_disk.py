"""What a run that was killed on another machine had on its way: unknown to the copy of its ledger, bounded and priced.

Such requests are asked for again like any other, so their price is held against what may be paid twice. One of unknown
price counts as dear.
"""

from __future__ import annotations

from collections.abc import Mapping

from batchgen.errors import UsageError
from batchgen.money import dollars
from batchgen.planning.plan import Plan
from batchgen.planning.prices import PriceBook
from batchgen.request import State
from batchgen.running.bucket_session import OnItsWay
from batchgen.running.buy.budget import Risk
from batchgen.running.options import Options
from batchgen.running.steering import workers_for
from batchgen.store.ledger.records import timestamp
from batchgen.store.pictures.ledger_backup import LostWithDisk
from batchgen.wording import counted


def most_on_its_way(plan: Plan, planned: Mapping[str, int], prices: PriceBook) -> OnItsWay:
    """Return how much of what is ``planned``, by model, can be on its way at a time, or paid and not yet at rest."""
    most = min(sum(planned.values()), workers_for(plan.manifest.limits.concurrency))
    worst = (price.high_microusd if (price := prices.price(model)) else Risk.HOLD_FROM_MICROUSD for model in planned)
    return OnItsWay(most, most * max(worst, default=0))


def permit_lost(lost: LostWithDisk, left: int, risk: Risk, options: Options) -> str:
    """Return what to say of requests that may be bought twice, and count them as risked.

    Raise :class:`UsageError` if they are more than may be risked and the user did not ask for them.
    """
    requests = min(left, lost.requests)
    microusd = lost.microusd * requests // max(1, lost.requests)
    when = timestamp(lost.saved_ms)
    what = (
        f"{lost.by} was killed, and its disk is not here. Its ledger's copy is of {when}; what it put into the bucket "
        f"since then is known, but up to {counted(requests, 'request')}, worth {dollars(microusd)} at most, may have "
        "been on its way, or paid for and not put yet"
    )
    within = not options.strict and risk.risked_microusd + microusd <= risk.cap_microusd
    if not requests or within or State.DOUBT in options.selection.again:
        risk.risked_microusd += microusd if within else 0
        return f"{what}. They are asked for again"
    raise UsageError(
        f"{what}. That is more than may be paid twice (retry.risk_usd, {dollars(risk.cap_microusd)} here). Nothing was "
        "sent. Run on the other machine's disk, which knows them, or consent with --retry doubt"
    )
