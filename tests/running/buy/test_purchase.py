from types import SimpleNamespace

import pytest

from batchgen.request import Generation
from batchgen.running.buy.purchase import bill_of
from batchgen.store.ledger.transitions import Bill
from batchgen.tokens import PricedBy, TokenRates, Usage

RATES = TokenRates(5_000_000, 10_000_000, 40_000_000)
USAGE = Usage(text_in=40, image_in=10, image_out=4160)


def ticket(estimate=20_000, source="manifest", rates=None):
    return SimpleNamespace(estimate_microusd=estimate, priced_by=PricedBy(source, rates) if source else None)


def answer(cost=None, usage=None, source="answer", flag=None):
    return Generation((), cost, None, source, flag, usage)


@pytest.mark.parametrize("source", ["answer", "usage", "header"])
def test_a_stated_cost_is_billed_with_its_source_whatever_tokens_would_cost(source):
    assert bill_of(answer(40_000, USAGE, source), ticket(rates=RATES)) == Bill(40_000, source=source, usage=USAGE)


def test_stated_tokens_are_an_estimate_and_never_a_bill():
    bill = bill_of(answer(usage=USAGE), ticket(200_000, rates=RATES))
    assert bill == Bill(0, 40 * 5 + 10 * 10 + 4160 * 40, "not stated", "tokens", USAGE)


def test_usage_is_kept_also_if_nobody_knows_what_tokens_cost():
    assert bill_of(answer(usage=USAGE), ticket()) == Bill(0, 20_000, "not stated", "manifest", USAGE)


def test_a_cost_fifty_times_the_estimate_is_not_believed_and_tokens_are_asked():
    assert bill_of(answer(10**9, USAGE), ticket(200_000, rates=RATES)).source == "tokens"
    absurd = Usage(image_out=10**9)
    assert bill_of(answer(10**9, absurd), ticket(rates=RATES)) == Bill(0, 20_000, "implausible", "manifest", absurd)


def test_without_any_price_nothing_is_known():
    assert bill_of(answer(), ticket(None, source=None)) == Bill(0, 0, "not stated", None)


def test_an_oddity_of_a_stated_cost_is_kept():
    assert bill_of(answer(40_000, flag="stated as text"), ticket()).flag == "stated as text"
