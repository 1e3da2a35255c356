import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.manifest import flat, stated_price
from batchgen.planning.price_list import openai_prices
from batchgen.planning.prices import PriceBook
from batchgen.provider.interface import Catalogue, Model, Price
from batchgen.request import Experience, Input, Kind, Request

LISTED = Price(1, 2, 3, "catalogue")
CATALOGUE = Catalogue({"a/1": Model("a/1", "image", LISTED, aliases=("one",)), "a/2": Model("a/2", "image", None)})


def test_the_manifest_comes_before_the_catalogue():
    assert PriceBook({"a/1": flat(500)}, CATALOGUE).price("a/1") == Price(500, 500, 500, "manifest")
    assert PriceBook({}, CATALOGUE).price("a/1") == PriceBook({}, CATALOGUE).price("one") == LISTED


def test_a_price_stated_under_an_alias_is_the_models():
    assert PriceBook({"one": flat(500)}, CATALOGUE).price("a/1") == Price(500, 500, 500, "manifest")


def test_a_price_that_nobody_states_is_unknown_and_a_stated_zero_is_free():
    assert PriceBook({}, None).price("a/1") is None
    assert PriceBook({}, CATALOGUE).price("a/2") is None
    assert PriceBook({}, CATALOGUE).price("no/such") is None
    assert PriceBook({"a/2": flat(0)}, CATALOGUE).price("a/2") == Price(0, 0, 0, "manifest")


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
    assert PriceBook({"a/1": flat(5)}, CATALOGUE, [seen(9, 1, 7, 8)]).price("a/1") == Price(5, 5, 8, "manifest")


PRICES = st.tuples(*[st.integers(0, 10**9)] * 3).map(sorted)


@given(PRICES, PRICES, st.integers(0, 20))
def test_no_experience_makes_a_reservation_smaller_than_the_catalogue_s_or_the_dearest_answer(listed, billed, count):
    catalogue = Catalogue({"a/1": Model("a/1", "image", Price(*listed, "catalogue"))})
    price = PriceBook({}, catalogue, [seen(count, *billed)]).price("a/1")
    assert price.high_microusd >= listed[2]
    assert price.low_microusd <= price.expected_microusd <= price.high_microusd
    if count >= 5:
        assert price.high_microusd >= billed[2]


def request(model="a/1", prompt="cat 1", image=(), **parameters):
    return Request("k", b"", "openai", Kind.IMAGE, model, {"prompt": prompt, **parameters}, image=image)


TABLE = stated_price({"low": 0.011, "high": {"1024x1024": 0.167, "1536x1024": 0.25}})


@pytest.mark.parametrize(
    ("asked", "amounts"),
    [
        ({"quality": "low", "size": "1024x1024"}, (11_000, 11_000)),
        ({"quality": "high", "size": "1024x1024"}, (167_000, 167_000)),
        # What is left open, or not in the table, may be the dearest.
        ({"quality": "high"}, (167_000, 250_000)),
        ({"quality": "high", "size": "1024x1536"}, (167_000, 250_000)),
        ({"quality": "auto"}, (11_000, 250_000)),
        ({"quality": "medium"}, (11_000, 250_000)),
        ({}, (11_000, 250_000)),
    ],
)
def test_a_table_is_read_by_quality_and_size_and_reserves_the_dearest_of_what_is_open(asked, amounts):
    price = PriceBook({"a/1": TABLE}, None).price_of(request(**asked))
    assert (price.low_microusd, price.high_microusd) == amounts
    assert price.expected_microusd == amounts[1]


TOKENS = {"per_million_tokens": {"text_in": 5, "image_in": 10, "image_out": 40}}


def test_of_tokens_the_stated_most_is_reserved():
    book = PriceBook({"a/1": stated_price(TOKENS | {"at_most": {"low": 0.02, "high": 0.2}})}, None)
    assert book.price_of(request(quality="low")).high_microusd == 20_000
    assert book.price_of(request(quality="high")).high_microusd == book.price("a/1").high_microusd == 200_000
    assert book.priced_by(request()).rates.image_out == 40_000_000


def test_of_tokens_without_a_stated_most_the_most_documented_tokens_and_the_input_are_reserved():
    price = PriceBook({"a/1": stated_price(TOKENS)}, None).price_of(request())
    assert price.high_microusd == 6_240 * 40 + (len("cat 1") + 100) * 5
    edited = PriceBook({"a/1": stated_price(TOKENS)}, None).price_of(request(image=(Input("a", "sha256:0"),)))
    assert edited.high_microusd > price.high_microusd + 6_240 * 10


def test_a_dearer_answer_raises_what_is_reserved_for_its_like_from_the_first_one_on():
    learned = [seen(1, 300_000, 300_000, 300_000, like=("high", "", ""))]
    book = PriceBook({"a/1": stated_price(TOKENS | {"at_most": 0.2})}, None, learned)
    assert book.price_of(request(quality="high")).high_microusd == 300_000
    assert book.price_of(request(quality="low")).high_microusd == 200_000


def test_what_answers_of_tokens_came_to_is_expected_after_some():
    book = PriceBook({"a/1": stated_price(TOKENS | {"at_most": 0.2})}, None, [seen(6, 100_000, 110_000, 120_000)])
    assert book.price("a/1") == Price(100_000, 110_000, 200_000, "6 answers here")


LISTED_QUALITIES = [("low", 272, 408), ("medium", 1056, 1584), ("high", 4160, 6240)]


@pytest.mark.parametrize(("quality", "square", "oblong"), LISTED_QUALITIES)
def test_the_price_list_covers_the_documented_tokens_of_a_picture(quality, square, oblong):
    book = PriceBook({}, None, price_list=openai_prices())
    for size, tokens in (("1024x1024", square), ("1024x1536", oblong)):
        for model, rate in (("gpt-image-1", 40), ("gpt-image-1.5", 32)):
            assert book.price_of(request(model, quality=quality, size=size)).high_microusd >= tokens * rate


def test_the_job_file_and_the_catalogue_come_before_the_price_list():
    listed = Catalogue({"dall-e-2": Model("dall-e-2", "image", LISTED)})
    assert PriceBook({}, listed, price_list=openai_prices()).price("dall-e-2") == LISTED
    assert PriceBook({"dall-e-2": flat(7)}, listed, price_list=openai_prices()).price("dall-e-2").high_microusd == 7


def test_a_price_of_the_list_says_so_and_its_tokens_are_known():
    book = PriceBook({}, None, price_list=openai_prices())
    assert book.from_list(["dall-e-3", "my/own"])[1] == ("dall-e-3",)
    assert book.price("dall-e-2").source == "price list"
    by = book.priced_by(request("openai/gpt-image-1.5-2025-12-16"))
    assert (by.source, by.rates.text_out) == ("price list", 10_000_000)


def test_tokens_at_a_person_s_prices_are_as_many_as_the_list_implies():
    book = PriceBook({"gpt-image-1": stated_price(TOKENS)}, None, price_list=openai_prices())
    assert 11_000 < book.price_of(request("gpt-image-1", quality="low", size="1024x1024")).high_microusd < 12_500
