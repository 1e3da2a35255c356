import pytest

from batchgen.provider.error_text import meaning
from batchgen.provider.interface import Verdict


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
        ("model 'x/y' is not available", "", Verdict.REFUSED),
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
        ("Incorrect API key provided", "", Verdict.UNCLEAR),
        ("", "", Verdict.UNCLEAR),
    ],
)
def test_a_message_means_what_the_service_is_known_to_mean_by_it(message, kind, verdict):
    assert meaning(message, kind).verdict is verdict
    assert meaning(message.upper(), kind).verdict is verdict


@pytest.mark.parametrize("prompt", ["a desktop upgrade", "a laptop, up close", "stop up the drain"])
def test_a_prompt_quoted_in_a_refusal_does_not_stop_the_run(prompt):
    assert meaning(f"the prompt '{prompt}' was flagged").verdict is Verdict.REFUSED
