from pathlib import Path

import pytest

from batchgen.provider.error_text import Saying
from batchgen.provider.interface import Verdict
from batchgen.provider.verdicts import TABLES, as_markdown, rule_for


def meaning(message, kind=""):
    """What an error of ImageRouter's own means, which comes as a success."""
    return rule_for("imagerouter", 200, Saying(message, message, kind, is_error=True), states_wait=False)


@pytest.mark.parametrize(
    ("message", "kind", "verdict"),
    [
        ("Insufficient credits (this model needs minimum $0.2 credits)", "insufficient_credits", Verdict.STOP_RUN),
        ("You exceeded your current quota, please check your plan", "insufficient_quota", Verdict.STOP_RUN),
        ("Billing hard limit has been reached", "", Verdict.STOP_RUN),
        ("Please top up your account", "", Verdict.STOP_RUN),
        ("A deposit is needed", "deposit_required", Verdict.STOP_RUN),
        ("Failed to postlog usage", "api_error", Verdict.DOUBT),
        ("Failed to refund usage", "", Verdict.DOUBT),
        ("took too long", "timeout_error", Verdict.DOUBT),
        ("took too long", "timeout_error ETIMEDOUT", Verdict.DOUBT),
        ("You have reached the daily limit for free models", "rate_limit_error", Verdict.STOP_LANE),
        ("Rate limit reached on requests per day (RPD): Limit 200", "requests", Verdict.STOP_LANE),
        ("Too many requests. Please slow down.", "rate_limit_error", Verdict.THROTTLED),
        ("Rate limit reached on images per minute. Please try again in 20s.", "", Verdict.THROTTLED),
        ("Provider returned 429", "", Verdict.THROTTLED),
        ("The model is overloaded. Please try again later.", "api_error", Verdict.OVERLOADED),
        ("This model is currently experiencing high demand", "", Verdict.OVERLOADED),
        ("We are at maximum capacity", "", Verdict.OVERLOADED),
        ("Service Unavailable", "", Verdict.OVERLOADED),
        ("temporarily not available", "", Verdict.OVERLOADED),
        ("The prompt was flagged by our content moderation system.", "content_policy_violation", Verdict.REFUSED),
        ("Your request was rejected as a result of our safety system.", "image_generation_user_error", Verdict.REFUSED),
        ("The model refused to make this picture", "", Verdict.REFUSED),
        ("This model does not support image inputs", "invalid_request_error", Verdict.REFUSED),
        ("Mask editing is not supported for this model", "", Verdict.REFUSED),
        ("model 'x/y' is not available", "", Verdict.STOP_LANE),
        ("Only squares, please", "invalid_request_error", Verdict.REFUSED),
        ("The prompt is too long", "", Verdict.REFUSED),
        ("Internal error encountered", "internal_error", Verdict.PASSING),
        ("504 Gateway Time-out", "", Verdict.PASSING),
        ("read ECONNRESET", "", Verdict.PASSING),
        ("connect ECONNREFUSED 10.0.0.1:443", "", Verdict.PASSING),
        ("getaddrinfo ENOTFOUND api.provider.example", "", Verdict.PASSING),
        ("Unexpected token '<', \"<!DOCTYPE \"... is not valid JSON", "", Verdict.PASSING),
        ("Please try again", "", Verdict.PASSING),
        ("Request timed out", "", Verdict.PASSING),
        ("fetch failed", "", Verdict.PASSING),
        ("Something went sideways", "api_error", Verdict.UNCLEAR),
        ("Incorrect API key provided", "", Verdict.STOP_RUN),
        ("", "", Verdict.UNCLEAR),
    ],
)
def test_a_message_means_what_the_service_is_known_to_mean_by_it(message, kind, verdict):
    assert meaning(message, kind).verdict is verdict
    assert meaning(message.upper(), kind).verdict is verdict


@pytest.mark.parametrize(
    "prompt",
    [
        *(
            "a desktop upgrade",
            "a laptop, up close",
            "stop up the drain",
            "a daily newspaper",
            "a picnic on a day in May",
        ),
        *("a picnic on a day in May", "a billing clerk", "an overdue library book"),
    ],
)
def test_a_prompt_quoted_in_a_refusal_does_not_stop_the_run(prompt):
    assert meaning(f"the prompt '{prompt}' was flagged").verdict is Verdict.REFUSED


@pytest.mark.parametrize("kind", sorted(TABLES))
@pytest.mark.parametrize("status", range(100, 1000, 7))
def test_every_answer_has_a_rule_and_every_rule_says_how_we_know(kind, status):
    assert rule_for(kind, status, Saying("", ""), states_wait=False) in TABLES[kind]
    assert all(rule.source for rule in TABLES[kind])


@pytest.mark.parametrize("status", [500, 502, 504, 520, 524, 599])
def test_nothing_of_a_server_s_failure_is_called_unbilled_by_its_status(status):
    for kind in TABLES:
        assert rule_for(kind, status, Saying("odd", "odd"), states_wait=True).verdict is Verdict.DOUBT


def test_a_page_is_no_refusal_by_a_content_filter():
    page = Saying("our safety policy", "our safety policy", is_markup=True)
    assert rule_for("openai", 502, page, states_wait=False).verdict is Verdict.DOUBT


@pytest.mark.parametrize("kind", sorted(TABLES))
def test_the_document_shows_the_tables_that_decide(kind):
    document = Path(__file__).parents[2] / "docs/verdicts.md"
    assert as_markdown(kind) in document.read_text(), "renew the table with `as_markdown`"
