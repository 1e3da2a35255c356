import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.tokens import TokenRates, Usage

# Five, ten and forty dollars for a million tokens: whole micro-dollars a token.
RATES = TokenRates(text_in=5_000_000, image_in=10_000_000, image_out=40_000_000)


def test_tokens_cost_what_their_kind_costs():
    assert RATES.cost_microusd(Usage(text_in=40, image_in=10, image_out=4160)) == 40 * 5 + 10 * 10 + 4160 * 40


def test_text_that_comes_back_costs_as_a_picture_does_unless_it_has_a_price():
    usage = Usage(text_out=100, image_out=100)
    assert RATES.cost_microusd(usage) == 8_000
    assert TokenRates(0, 0, 40_000_000, text_out=10_000_000).cost_microusd(usage) == 5_000


@pytest.mark.parametrize("usage", [Usage(), Usage(text_in=40)])
def test_an_answer_without_counted_output_has_no_cost_by_tokens(usage):
    assert RATES.cost_microusd(usage) is None


@given(st.integers(1, 10**9), st.integers(0, 10**12))
def test_the_cost_is_the_product_to_the_nearest_micro_dollar(tokens, rate):
    cost = TokenRates(0, 0, rate).cost_microusd(Usage(image_out=tokens))
    assert abs(2_000_000 * cost - 2 * tokens * rate) <= 1_000_000
