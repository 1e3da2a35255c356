import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.planning.prices import PriceBook
from batchgen.planning.video_pricing import price_of_length, usual_length_s
from batchgen.provider.interface import Catalogue, Model, Price
from batchgen.request import Experience, Kind, Request


def film(low, expected, high, *seconds, name="maker/film"):
    return Model(name, "video", Price(low, expected, high, "catalogue"), seconds=tuple(map(str, seconds)))


BY_THE_SECOND = film(400_000, 400_000, 1_200_000, 4, 8, 12)
BY_SIZE_TOO = film(1_200_000, 1_200_000, 6_000_000, 4, 8, 12)


@pytest.mark.parametrize(
    ("model", "seconds", "amounts"),
    [
        (BY_THE_SECOND, 4, (400_000, 400_000, 400_000)),
        (BY_THE_SECOND, 8, (800_000, 800_000, 800_000)),
        (BY_THE_SECOND, 12, (1_200_000, 1_200_000, 1_200_000)),
        (BY_THE_SECOND, 60, (1_200_000, 1_200_000, 1_200_000)),
        (BY_THE_SECOND, None, (400_000, 400_000, 1_200_000)),
        (BY_SIZE_TOO, 4, (1_200_000, 1_200_000, 6_000_000)),
        (BY_SIZE_TOO, 8, (1_200_000, 3_600_000, 6_000_000)),
        (BY_SIZE_TOO, 12, (1_200_000, 6_000_000, 6_000_000)),
        (film(200_000, 200_000, 200_000, 5, 8), 8, (200_000, 200_000, 200_000)),
        (film(10, 20, 30, 5), 5, (10, 20, 30)),
        (film(10, 20, 30), 5, (10, 20, 30)),
    ],
)
def test_a_film_costs_by_the_second_where_the_catalogue_s_range_says_so(model, seconds, amounts):
    price = price_of_length(model, seconds)
    assert (price.low_microusd, price.expected_microusd, price.high_microusd) == amounts


@given(
    st.lists(st.integers(0, 10**8), min_size=3, max_size=3).map(sorted),
    st.lists(st.sampled_from([1, 1.2, 2, 3.5, 5, 8, 10, 20]), min_size=1, unique=True),
    st.floats(0.5, 70),
)
def test_a_price_of_a_length_stays_within_the_catalogue_s_range(amounts, lengths, seconds):
    price = price_of_length(film(*amounts, *lengths), seconds)
    assert price.low_microusd <= price.expected_microusd <= price.high_microusd
    assert amounts[0] * 0.98 - 1 <= price.low_microusd
    assert price.high_microusd <= amounts[2]


def seen(billed, least, mean, most, *, seconds, size=""):
    return Experience("maker/film", ("", size, seconds), billed, least, mean, most, 1_000)


def book(*parts, model=BY_SIZE_TOO):
    every = Experience("maker/film", None, sum(one.billed for one in parts), 1, 2, 9_000_000, 1_000)
    return PriceBook({}, Catalogue({model.id: model}), [every, *parts])


def expected(prices, seconds, size=""):
    parameters = {name: value for name, value in (("seconds", seconds), ("size", size)) if value}
    price = prices.price_of(Request("k", b"", "imagerouter", Kind.VIDEO, "maker/film", parameters))
    return price.low_microusd, price.expected_microusd, price.high_microusd, price.source


def test_what_short_films_cost_says_what_a_long_one_will_by_the_second():
    learned = book(seen(3, 100, 120, 140, seconds="4"), seen(3, 250, 250, 250, seconds="8"))
    low, mean, high, source = expected(learned, "12")
    assert (low, mean, source) == (300, round((360 * 3 + 375 * 3) / 6), "6 billed here")
    assert high == 6_000_000


def test_films_of_the_same_length_and_size_count_before_all_others():
    learned = book(seen(5, 100, 120, 140, seconds="4", size="a"), seen(5, 900, 900, 900, seconds="4", size="b"))
    assert expected(learned, "4", "a")[:2] == (100, 120)
    assert expected(learned, "4", "b")[:2] == (900, 900)


def test_films_whose_length_was_left_open_say_nothing_of_those_with_one():
    learned = book(seen(9, 100, 120, 140, seconds=""), seen(2, 500, 500, 500, seconds="12"))
    assert expected(learned, "8") == (1_200_000, 3_600_000, 6_000_000, "catalogue")
    assert expected(learned, "")[1:] == (120, 6_000_000, "9 billed here")


def test_what_was_billed_above_the_catalogue_s_most_is_reserved_by_the_second_too():
    learned = book(seen(5, 400_000, 450_000, 500_000, seconds="4"), model=BY_THE_SECOND)
    assert expected(learned, "8")[2] == 1_000_000


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("defaults: {model: maker/film, seconds: 12}\nrows: [{prompt: a}]", 12),
        ("defaults: {model: maker/film, seconds: 12}\nmatrix: {seconds: [4, 8, auto]}\nprompt: a", 6),
        ("defaults: {model: maker/film}\nmatrix: {cut: {long: {seconds: 12}, short: {seconds: 4}}}\nprompt: a", 8),
        ("defaults: {model: maker/film, seconds: 12}\nrows: [{prompt: a, seconds: 4}]", None),
        ("defaults: {model: maker/film}\nprompt: a", None),
    ],
)
def test_what_a_plan_costs_before_its_requests_are_made_follows_the_length_its_manifest_names(load, text, seconds):
    usual_s = usual_length_s(load(text))
    assert usual_s == seconds
    known = PriceBook({}, Catalogue({BY_THE_SECOND.id: BY_THE_SECOND}), usual_s=usual_s)
    assert known.price("maker/film").expected_microusd == (400_000 if seconds is None else 100_000 * seconds)
