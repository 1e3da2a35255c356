import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.provider.cost import AS_TEXT, Statement, statement
from batchgen.tokens import Usage

USAGE = {
    "total_tokens": 4210,
    "input_tokens": 50,
    "output_tokens": 4160,
    "input_tokens_details": {"text_tokens": 40, "image_tokens": 10},
}


def stated(body="{}", headers=(), kind="openai"):
    text = body if isinstance(body, str) else json.dumps(body)
    return statement(msgspec.json.decode(text, type=dict[str, msgspec.Raw]), tuple(headers), kind)


def test_the_answer_comes_before_its_usage_and_that_before_a_header():
    header = [("x-litellm-response-cost", "0.03")]
    assert stated({"cost": 0.01, "usage": {"cost": 0.02}}, header) == Statement(10_000, "answer")
    assert stated({"usage": {"cost": 0.02}}, header) == Statement(20_000, "usage")
    assert stated({}, header) == Statement(30_000, "header")


@pytest.mark.parametrize(
    "nonsense", ["-1", "true", "1e999", "null", '"NaN"', '"free"', "[]", '{"usd": 1}', '"-1"', '"1_0"']
)
def test_nonsense_is_passed_over_for_the_next(nonsense):
    assert stated(f'{{"cost": {nonsense}, "usage": {{"cost": 0.02}}}}') == Statement(20_000, "usage")


def test_a_number_as_text_is_read_and_flagged():
    assert stated({"cost": "0.04"}) == Statement(40_000, "answer", AS_TEXT)
    assert stated({"usage": {"cost": " 0.04 "}}) == Statement(40_000, "usage", AS_TEXT)


def test_a_header_is_always_text_and_never_flagged_for_it():
    assert stated(headers=[("x-litellm-response-cost", " 0.04254 ")]) == Statement(42_540, "header")


def test_a_cost_of_nothing_is_a_cost_but_not_in_a_gateway_s_header():
    assert stated({"cost": 0}) == Statement(0, "answer")
    assert stated({"usage": {"cost": 0.0}}) == Statement(0, "usage")
    assert stated(headers=[("x-litellm-response-cost", "0.0")]) == Statement()


def test_only_headers_of_the_provider_s_table_are_read():
    headers = [("x-litellm-response-cost", "0.04"), ("openai-processing-ms", "1500")]
    assert stated(headers=headers, kind="imagerouter") == Statement()
    assert stated(headers=headers) == Statement(40_000, "header", latency_ms=1500)


def test_the_latency_of_the_answer_comes_before_that_of_a_header():
    assert stated({"latency": 1234.9}, [("openai-processing-ms", "1500")]).latency_ms == 1234
    assert stated({"latency": -1}, [("openai-processing-ms", "1500")]).latency_ms == 1500
    assert stated({"latency": 1e15}).latency_ms is None


def test_usage_is_kept_with_the_service_s_own_numbers_and_nothing_else():
    usage = stated({"usage": USAGE | {"note": "sk-secret", "cost": 0.02}}).usage
    assert usage == Usage(text_in=40, image_in=10, image_out=4160)
    assert usage.stated == USAGE
    assert (usage.input_tokens, usage.output_tokens) == (50, 4160)


def test_usage_is_read_in_the_words_of_chats_and_a_zero_of_the_other_word_does_not_count():
    assert stated({"usage": {"prompt_tokens": 20, "completion_tokens": 1056}}).usage == Usage(20, 0, 0, 1056)
    both = {"completion_tokens": 0, "prompt_tokens": 0, "input_tokens": 23, "output_tokens": 1056}
    assert stated({"usage": both}).usage == Usage(23, 0, 0, 1056)


def test_text_that_came_back_is_told_from_the_picture():
    details = {"text_tokens": 56, "image_tokens": 1000}
    assert stated({"usage": {"output_tokens": 1056, "output_tokens_details": details}}).usage == Usage(0, 0, 56, 1000)


@pytest.mark.parametrize("usage", [None, [], "many", {}, {"input_tokens": "lots"}, {"input_tokens": -1}])
def test_what_counts_no_tokens_is_no_usage(usage):
    assert stated({"usage": usage}).usage is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*USAGE, "cost", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@given(JSON, JSON, JSON, st.text(max_size=8))
def test_whatever_is_stated_a_cost_is_none_or_at_least_nothing(cost, usage, latency, header):
    found = stated({"cost": cost, "usage": usage, "latency": latency}, [("x-litellm-response-cost", header)])
    assert found.cost_microusd is None or found.cost_microusd >= 0
    assert (found.cost_microusd is None) == (found.cost_source is None)
    if found.usage:
        assert min(found.usage.text_in, found.usage.image_in, found.usage.text_out, found.usage.image_out) >= 0
