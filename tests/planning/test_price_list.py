from datetime import date, timedelta

import pytest

from batchgen.planning.price_list import openai_prices


@pytest.mark.parametrize("model", ["gpt-image-1", "openai/gpt-image-1", "azure/gpt-image-1-2025-04-23"])
def test_a_model_is_found_behind_its_maker_and_before_its_date(model):
    assert openai_prices().find(model) is openai_prices().prices["gpt-image-1"]


@pytest.mark.parametrize("model", ["gpt-image", "mine/gpt-image-1", "gpt-image-1-mini-tuned", ""])
def test_a_model_with_another_name_is_not_in_the_list(model):
    assert openai_prices().find(model) is None


def test_the_list_tells_its_day_its_age_and_its_source():
    prices = openai_prices()
    assert "old" not in prices.told(prices.as_of - timedelta(days=3))
    assert "400 days old" in prices.told(prices.as_of + timedelta(days=400))
    assert prices.source in prices.told(date.today())


def test_every_price_is_of_pictures_and_positive():
    for price in openai_prices().prices.values():
        assert price.pictures.of("", "")[0] > 0
