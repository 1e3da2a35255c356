import pytest

from batchgen.report import charts, figures


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [
        (0, "0.00 s"),
        (9_994, "9.99 s"),
        (9_996, "10.0 s"),
        (99_960, "1 min 40 s"),
        (3_599_400, "59 min 59 s"),
        (3_599_600, "1 h 00 min"),
        (90_000_000, "1 d 1 h"),
        (None, figures.NONE),
    ],
)
def test_spans_read_well_at_every_size(milliseconds, text):
    assert figures.span(milliseconds) == text


@pytest.mark.parametrize(
    ("rate", "text"),
    [(None, figures.NONE), (0, "0 %"), (1, "100 %"), (0.99999, "99.9 %"), (0.00001, "0.1 %"), (0.5, "50.0 %")],
)
def test_a_share_is_all_or_nothing_only_where_it_is(rate, text):
    assert figures.share(rate) == text


@pytest.mark.parametrize(
    ("exit_code", "ended", "text"),
    [(None, False, "still running, or killed"), (0, True, "all stored"), (99, True, "exit code 99")],
)
def test_an_ending_is_told_in_words(exit_code, ended, text):
    assert figures.ending(exit_code, ended=ended) == text


@pytest.mark.parametrize("longest", [1, 7, 999, 1_000_000, 123_456_789_012])
def test_an_axis_has_a_few_round_ticks_and_holds_the_longest_bar(longest):
    ticks, end = charts.axis(longest, str)

    assert end >= longest
    assert 2 <= len(ticks) <= 6
    assert (ticks[0].at, ticks[-1].at) == (0, 100)


def test_a_price_that_is_an_estimate_is_marked_and_an_unknown_one_is_a_dash():
    assert figures.each(40_000, 20_000) == "$0.04"
    assert figures.each(None, 20_000) == "\u2248 $0.02"
    assert figures.each(None, None) == figures.NONE


def test_tokens_that_nobody_prices_tell_what_would_price_them():
    assert figures.tokens(1_250, 104_000, {"tokens": 3}) == "1,250 in, 104,000 out"
    assert "per_million_tokens" in figures.tokens(1_250, 104_000, {"manifest": 3})


def test_sources_stand_in_the_order_of_their_counts():
    assert figures.sources({"answer": 5, "tokens": 1}) == "answer, tokens"
    assert figures.clocks({"service": 5, "request": 1}).startswith("as the service states it, or the time")


@pytest.mark.parametrize(
    ("microusd", "text"),
    [
        (None, figures.NONE),
        (0, "$0.00"),
        (1, "$0.000001"),
        (1_334, "$0.00133"),
        (18_063, "$0.0181"),
        (140_006, "$0.14"),
        (999_999, "$1.00"),
        (10_494_600, "$10.49"),
        (1_234_565_000, "$1,234.57"),
    ],
)
def test_an_amount_for_the_eye_is_rounded_to_three_figures_or_to_the_cent(microusd, text):
    assert figures.near(microusd) == text
