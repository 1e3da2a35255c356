from batchgen.plan.prices import PriceBook
from batchgen.provider.interface import Catalogue, Model, Price

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
