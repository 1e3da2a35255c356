import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.planning.prices import PriceBook
from batchgen.provider.interface import Catalogue, Model, Price
from batchgen.request import Experience

LISTED = Price(1, 2, 3, "catalogue")
CATALOGUE = Catalogue({"a/1": Model("a/1", "image", LISTED, aliases=("one",)), "a/2": Model("a/2", "image", None)})


def test_the_manifest_comes_before_the_catalogue():
    assert PriceBook({"a/1": 500}, CATALOGUE).price("a/1") == Price(500, 500, 500, "manifest")
    assert PriceBook({}, CATALOGUE).price("a/1") == PriceBook({}, CATALOGUE).price("one") == LISTED


def test_a_price_stated_under_an_alias_is_the_models():
    assert PriceBook({"one": 500}, CATALOGUE).price("a/1") == Price(500, 500, 500, "manifest")


def test_a_price_that_nobody_states_is_unknown_and_a_stated_zero_is_free():
    assert PriceBook({}, None).price("a/1") is None
    assert PriceBook({}, CATALOGUE).price("a/2") is None
    assert PriceBook({}, CATALOGUE).price("no/such") is None
    assert PriceBook({"a/2": 0}, CATALOGUE).price("a/2") == Price(0, 0, 0, "manifest")


def seen(billed, least, mean, most, *, model="a/1", like=None):
    return Experience(model, like, billed, least, mean, most, 1_000)


def test_what_was_billed_here_sharpens_the_expectation_and_never_lowers_the_reservation():
    listed = Catalogue({"a/1": Model("a/1", "image", Price(10, 200, 300, "catalogue"))})
    assert PriceBook({}, listed, [seen(42, 20, 25, 30)]).price("a/1") == Price(20, 25, 300, "42 billed here")
    assert PriceBook({}, listed, [seen(42, 20, 25, 900)]).price("a/1") == Price(20, 25, 900, "42 billed here")


def test_a_few_answers_are_no_experience():
    assert PriceBook({}, CATALOGUE, [seen(4, 1, 1, 1)]).price("a/1") == LISTED


@pytest.mark.parametrize("model", ["a/2", "no/such"])
def test_a_price_that_nobody_states_stays_unknown_whatever_was_billed(model):
    assert PriceBook({}, CATALOGUE, [seen(42, 1, 2, 3, model=model)]).price(model) is None


def test_a_stated_price_stays_what_is_expected_and_what_was_billed_above_it_is_reserved():
    assert PriceBook({"a/1": 5}, CATALOGUE, [seen(9, 1, 7, 8)]).price("a/1") == Price(5, 5, 8, "manifest")


PRICES = st.tuples(*[st.integers(0, 10**9)] * 3).map(sorted)


@given(PRICES, PRICES, st.integers(0, 20))
def test_no_experience_makes_a_reservation_smaller_than_the_catalogue_s_or_the_dearest_answer(listed, billed, count):
    catalogue = Catalogue({"a/1": Model("a/1", "image", Price(*listed, "catalogue"))})
    price = PriceBook({}, catalogue, [seen(count, *billed)]).price("a/1")
    assert price.high_microusd >= listed[2]
    assert price.low_microusd <= price.expected_microusd <= price.high_microusd
    if count >= 5:
        assert price.high_microusd >= billed[2]
