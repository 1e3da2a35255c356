"""A run that buys much is agreed to first, however little of its plan it is told to send."""

import pytest

from batchgen.errors import UsageError
from batchgen.manifest import flat
from batchgen.manifest.model import Limits
from batchgen.planning.prices import PriceBook
from batchgen.running.options import Options
from batchgen.running.preflight import refuse_unconfirmed
from batchgen.running.schedule.selection import Selection

PRICES = PriceBook({"cheap": flat(1_000), "dear": flat(1_000_000)}, None)
LIMITS = Limits(concurrency=4, adaptive=True, rate=None, budget_microusd=None, lanes=())
BUDGETED = Limits(concurrency=4, adaptive=True, rate=None, budget_microusd=1_000_000_000, lanes=())


def limited(limit):
    return Options(selection=Selection(limit=limit))


@pytest.mark.parametrize(
    ("left", "limit", "limits", "said"),
    [
        ({"cheap": 10_001}, None, LIMITS, "10,001 requests"),
        ({"cheap": 30_000}, 20_000, LIMITS, "20,000 requests"),
        ({"cheap": 30_000}, 20_000, BUDGETED, "20,000 requests"),
        ({"dear": 51}, None, LIMITS, "about $51.00"),
        ({"dear": 1_000}, 51, LIMITS, "about $51.00"),
        # The first ones may be the dear ones.
        ({"cheap": 9_000, "dear": 51}, 100, LIMITS, "about $51.049"),
    ],
)
def test_much_is_refused_until_it_is_confirmed(left, limit, limits, said):
    with pytest.raises(UsageError, match="unconfirmed") as refused:
        refuse_unconfirmed(left, PRICES, limited(limit), limits)
    assert said in str(refused.value)
    refuse_unconfirmed(left, PRICES, Options(selection=Selection(limit=limit), confirmed=True), limits)


@pytest.mark.parametrize(
    ("left", "limit", "limits"),
    [
        ({"cheap": 10_000}, None, LIMITS),
        ({"cheap": 30_000}, 20, LIMITS),
        ({"dear": 1_000}, 50, LIMITS),
        ({"dear": 1_000}, None, BUDGETED),
        ({"unknown": 10}, None, LIMITS),
    ],
)
def test_little_needs_no_word(left, limit, limits):
    refuse_unconfirmed(left, PRICES, limited(limit), limits)


def test_a_purchase_is_not_made_smaller_by_its_shards():
    refuse_unconfirmed({"cheap": 2_500}, PRICES, Options(), LIMITS, shards=4)
    with pytest.raises(UsageError, match="2,501 requests in each of 4 shards are more than the 10,000"):
        refuse_unconfirmed({"cheap": 2_501}, PRICES, Options(), LIMITS, shards=4)
    with pytest.raises(UsageError, match=r"about \$13.00 in each of 4 shards is more"):
        refuse_unconfirmed({"dear": 13}, PRICES, Options(), LIMITS, shards=4)
