import jsonschema
import pytest

from batchgen.manifest.price_tables import JSON_SCHEMA, PriceTable, StatedPrice, flat, stated_price
from batchgen.tokens import TokenRates

TOKENS = {"text_in": "5", "image_in": "10", "image_out": "40"}
RATES = TokenRates(5_000_000, 10_000_000, 40_000_000)

GOOD = [
    ("0.02", flat(20_000)),
    (0, flat(0)),
    ({"low": "0.01", "high": "0.2"}, StatedPrice(PriceTable((("low", "", 10_000), ("high", "", 200_000))))),
    ({"1024x1024": "0.02"}, StatedPrice(PriceTable((("", "1024x1024", 20_000),)))),
    ({"high": {"1024x1024": "0.2"}}, StatedPrice(PriceTable((("high", "1024x1024", 200_000),)))),
    ({"per_million_tokens": TOKENS}, StatedPrice(rates=RATES)),
    ({"per_million_tokens": TOKENS, "at_most": "0.3"}, StatedPrice(None, RATES, flat(300_000).pictures)),
    (
        {"per_million_tokens": TOKENS | {"text_out": "10"}, "at_most": {"low": "0.1"}},
        StatedPrice(
            None, TokenRates(5_000_000, 10_000_000, 40_000_000, 10_000_000), PriceTable((("low", "", 100_000),))
        ),
    ),
]


@pytest.mark.parametrize(("found", "meant"), GOOD)
def test_a_price_is_an_amount_a_table_or_tokens(found, meant):
    assert stated_price(found) == meant
    jsonschema.validate(found, JSON_SCHEMA)


BAD = [
    ("free", "must be an amount in US dollars"),
    (["0.02"], "must be an amount in US dollars"),
    ({}, "with an amount for each quality or size"),
    ({"high": {"big": "0.2"}}, "'big' is no size such as 1024x1024"),
    ({"high": {}}, "high has none"),
    ({"high": "dear"}, "high must be an amount"),
    ({"high": {"1024x1024": "-1"}}, "high, 1024x1024 must be an amount"),
    ({"low": "0.1", "1024x1024": "0.2"}, "mixes them"),
    ({"text_in": "5", "image_out": "40"}, "per_million_tokens: {text_in"),
    ({"at_most": "1"}, "per_million_tokens: {text_in"),
    ({"per_million_tokens": "5"}, "such as {text_in: 5, image_in: 10, image_out: 40}"),
    ({"per_million_tokens": {"text_in": "5"}}, "image_in is missing"),
    ({"per_million_tokens": TOKENS | {"image_on": "4"}}, "did you mean 'image_in'"),
    ({"per_million_tokens": TOKENS, "atmost": "1"}, "did you mean 'at_most'"),
    ({"per_million_tokens": TOKENS, "low": "1"}, "nothing else"),
]


@pytest.mark.parametrize(("found", "said"), BAD)
def test_a_mistake_in_a_price_is_named(found, said):
    with pytest.raises(ValueError, match=r"^must be") as refused:
        stated_price(found)
    assert said in str(refused.value)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, JSON_SCHEMA)


def test_a_quality_that_is_nearly_one_is_a_mistake_and_a_service_s_own_is_none():
    with pytest.raises(ValueError, match="did you mean 'high'"):
        stated_price({"hihg": "0.2"})
    assert stated_price({"ultra": "0.2"}).pictures.of("ultra", "") == (200_000, 200_000)
