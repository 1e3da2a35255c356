import base64
import json

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.provider import answers
from batchgen.provider.answers import read_transport_error
from batchgen.provider.arrival import Arrival
from batchgen.provider.error_text import MESSAGE_CHARACTERS
from batchgen.provider.http import failures
from batchgen.provider.interface import Answered, Failed, RateLimit, Verdict
from batchgen.request import AnswerPicture
from tests.ledgers import picture_bytes

PICTURE = base64.b64encode(picture_bytes(7)).decode()
URL = "https://storage.example/a.webp"
DATA = b'"data":[{"url":"https://storage.example/a.webp"}]'


def respond(status, body=b"", *, kind="imagerouter", cut=None, repeats=False, **headers):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    stated = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return answers.read(Arrival(status, stated, content, cut, repeats), kind)


def read(body, kind="imagerouter"):
    return respond(200, body, kind=kind)


def test_an_answer_after_heartbeats_is_a_generation_with_its_cost_and_latency():
    answer = read(
        b'   \n  {"created":1,"data":[{"url":"https://x/a","revised_prompt":"b"}],"latency":1234,"cost":0.0401}'
    )
    assert answer.generation.pictures == (AnswerPicture("https://x/a", None, "b"),)
    assert (answer.generation.cost_microusd, answer.generation.latency_ms) == (40_100, 1234)


@pytest.mark.parametrize(
    ("cost", "microusd"),
    [
        ("0", 0),
        ("0.04", 40_000),
        ('"0.04"', 40_000),
        ("1e-9", 0),
        ("0.1234567", 123_457),
        *[(text, None) for text in ("-1", "true", "false", "null", "1e999", "NaN", "Infinity", "-Infinity", '"nan"')],
        *[(text, None) for text in ("[1]", "{}", '""', '"free"', "9" * 5000, "1e999999999999999999999")],
    ],
)
def test_only_a_finite_number_of_at_least_zero_is_a_cost_and_the_picture_stays_whatever_it_is(cost, microusd):
    answer = read(b'{%b,"cost":%b}' % (DATA, cost.encode()))
    assert isinstance(answer, Answered)
    assert answer.generation.cost_microusd == microusd


@pytest.mark.parametrize(
    ("latency", "ms"), [("12.7", 12), ("-1", None), ('"x"', None), ("9" * 5000, None), ("1e12", None), ("null", None)]
)
def test_a_latency_that_makes_no_sense_is_left_out(latency, ms):
    assert read(b'{%b,"latency":%b}' % (DATA, latency.encode())).generation.latency_ms == ms


@pytest.mark.parametrize(
    "body",
    [
        b"{%b}" % DATA,
        b"\xef\xbb\xbf{%b}" % DATA,
        b'{%b,"more":%b}' % (DATA, b"9" * 5000),
        b'{%b,"more":"\\ud800"}' % DATA,
        b'{%b,"more":"\xff"}' % DATA,
        b'{"data":[{"url":"https://storage.example/a.webp","revised_prompt":"\\ud800"}]}',
        b'{"data":[{"url":"https://storage.example/a.webp","revised_prompt":["a"]}]}',
        b'{"data":[],%b}' % DATA,
        b'{"error":null,%b}' % DATA,
        b'{"error":{},%b}' % DATA,
        b'{"error":"",%b}' % DATA,
        b'{"error":{"message":"a warning"},%b}' % DATA,
        b'{"data":[null,7,{"url":5},{"url":"https://storage.example/a.webp"}]}',
    ],
)
def test_a_picture_that_came_counts_whatever_else_the_answer_holds(body):
    answer = read(body)
    assert isinstance(answer, Answered)
    assert [picture.url for picture in answer.generation.pictures] == [URL]


@pytest.mark.parametrize(
    ("stated", "payload"),
    [
        (f'"{PICTURE}"', PICTURE.encode()),
        ('"' + PICTURE.replace("/", "\\/") + '"', PICTURE.encode()),
        ('"' + PICTURE.replace("+", "\\u002b") + '"', PICTURE.encode()),
        (f'"data:image/png;base64,{PICTURE}"', PICTURE.encode()),
        *[(text, None) for text in ('""', '"aGk="', "5", "null", "[]", '"data:nothing"')],
    ],
)
def test_base64_is_the_text_between_its_quotes(stated, payload):
    answer = read(b'{"data":[{"b64_json":%b}]}' % stated.encode())
    found = answer.generation.pictures[0].base64 if isinstance(answer, Answered) else None
    assert found == payload


def test_a_data_uri_in_place_of_an_address_is_an_inline_picture():
    (picture,) = read({"data": [{"url": f"data:image/png;base64,{PICTURE}"}]}).generation.pictures
    assert (picture.url, picture.base64) == (None, PICTURE.encode())


def test_a_layered_model_gives_several_pictures_in_their_order():
    answer = read({"data": [{"url": "https://x/1"}, {"b64_json": PICTURE}, {"url": "https://x/2"}]})
    found = [one.url or one.base64 for one in answer.generation.pictures]
    assert found == ["https://x/1", PICTURE.encode(), "https://x/2"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b'{"data":[{"url":"https://stor',
        b"[" * 100_000,
        b'{"data":' + b"[" * 100_000,
        b'{"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"error":"a"}{"data":[]}',
    ],
)
def test_a_success_that_is_empty_or_no_whole_document_is_in_doubt(body):
    failed = read(body)
    assert (failed.verdict, failed.reason, failed.status) == (Verdict.DOUBT, "unreadable_answer", 200)
    assert len(failed.message) < MESSAGE_CHARACTERS + 50


@pytest.mark.parametrize(
    "body",
    [{}, {"data": None}, {"data": []}, {"data": [{}]}, {"data": "x"}, {"data": [{"url": ""}]}, {"detail": "no"}],
)
def test_an_answer_without_a_picture_or_an_error_is_spoiled(body):
    failed = read({**body, "cost": 0.04})
    assert (failed.verdict, failed.reason, failed.cost_microusd) == (Verdict.SPOILED, "no_picture", 40_000)


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        ({"message": "The model is overloaded. Please try again later.", "type": "api_error"}, Verdict.OVERLOADED),
        ({"message": "Rate limit reached"}, Verdict.THROTTLED),
        ({"message": "Insufficient credits (this model needs minimum $0.04 credits)"}, Verdict.STOP_RUN),
        ({"message": "This model does not support image inputs"}, Verdict.REFUSED),
        ({"message": "Failed to postlog usage"}, Verdict.DOUBT),
        ({"message": "slow", "type": "timeout_error", "code": "ETIMEDOUT"}, Verdict.DOUBT),
        ({"message": "Something odd"}, Verdict.UNCLEAR),
        ({"message": None, "type": "rate_limit_error"}, Verdict.THROTTLED),
        ({"code": 7}, Verdict.UNCLEAR),
        ("overloaded", Verdict.OVERLOADED),
        (["overloaded"], Verdict.OVERLOADED),
        (True, Verdict.UNCLEAR),
    ],
)
@pytest.mark.parametrize("more", [{}, {"cost": 0}, {"cost": None}, {"data": []}])
def test_a_200_with_an_error_and_no_cost_means_what_its_words_mean(error, verdict, more):
    failed = read({"error": error, **more})
    assert (failed.verdict, failed.status, failed.cost_microusd) == (verdict, 200, more.get("cost"))


@pytest.mark.parametrize("message", ["overloaded", "Insufficient credits", "flagged by moderation"])
def test_an_error_with_a_cost_was_billed(message):
    failed = read({"error": {"message": message}, "cost": 0.04})
    assert (failed.verdict, failed.reason, failed.cost_microusd) == (Verdict.SPOILED, "billed_error", 40_000)
    assert message in failed.message


def test_the_last_of_two_equal_keys_counts():
    assert isinstance(read(b'{"error":{"message":"a"},"error":null,%b}' % DATA), Answered)
    assert read(b'{"error":null,"error":{"message":"overloaded"},"data":[]}').verdict is Verdict.OVERLOADED


ERROR = {"error": {"message": "bad things", "type": "api_error"}}
HTML = b"<html><body>Bad gateway</body></html>"


@pytest.mark.parametrize(
    ("status", "body", "verdict", "reason"),
    [
        (301, b"", Verdict.STOP_RUN, "redirect"),
        (302, b"", Verdict.STOP_RUN, "redirect"),
        (307, ERROR, Verdict.STOP_RUN, "redirect"),
        (308, b"", Verdict.STOP_RUN, "redirect"),
        *[
            (status, ERROR, Verdict.REFUSED, f"http_{status}")
            for status in (400, 403, 404, 405, 406, 410, 413, 415, 422)
        ],
        *[(status, HTML, Verdict.REFUSED, f"http_{status}") for status in (400, 403, 405, 413, 422, 431)],
        (400, {"error": {"message": "flagged by moderation"}}, Verdict.REFUSED, "moderation"),
        (400, {"error": {"message": "overloaded"}}, Verdict.REFUSED, "http_400"),
        (401, ERROR, Verdict.STOP_RUN, "key_rejected"),
        (401, HTML, Verdict.STOP_RUN, "key_rejected"),
        (402, b"", Verdict.STOP_RUN, "insufficient_credits"),
        (403, {"error": {"type": "deposit_required"}}, Verdict.STOP_RUN, "insufficient_credits"),
        (404, HTML, Verdict.STOP_RUN, "wrong_base_url"),
        (404, {"detail": "Not Found"}, Verdict.STOP_RUN, "wrong_base_url"),
        (404, {"error": {"message": "model 'x' is not available"}}, Verdict.STOP_LANE, "model_unavailable"),
        (408, b"", Verdict.DOUBT, "http_408"),
        (418, HTML, Verdict.DOUBT, "http_418"),
        (424, ERROR, Verdict.DOUBT, "http_424"),
        (409, b"", Verdict.PASSING, "http_409"),
        (425, b"", Verdict.PASSING, "http_425"),
        (429, b"", Verdict.THROTTLED, "rate_limit"),
        (429, {"error": {"message": "Too many", "type": "rate_limit_error"}}, Verdict.THROTTLED, "rate_limit"),
        (
            429,
            {"error": {"message": "daily limit reached", "type": "rate_limit_error"}},
            Verdict.STOP_LANE,
            "daily_limit",
        ),
        (429, {"error": {"code": "insufficient_quota"}}, Verdict.STOP_RUN, "insufficient_credits"),
        *[
            (status, HTML, Verdict.DOUBT, f"http_{status}")
            for status in (500, 502, 504, 520, 521, 522, 523, 524, 529, 599)
        ],
        (500, {"error": {"message": "Internal error encountered"}}, Verdict.DOUBT, "http_500"),
        (500, {"error": {"message": "odd", "type": "internal_error"}}, Verdict.UNCLEAR, "unknown_error"),
        (500, {"error": {"message": "socket hang up", "type": "internal_error"}}, Verdict.DOUBT, "http_500"),
        (500, {"error": {"message": "Invalid size"}}, Verdict.DOUBT, "http_500"),
        (500, {"error": {"message": "Failed to refund usage"}}, Verdict.DOUBT, "booking_failed"),
        (501, b"", Verdict.DOUBT, "http_501"),
        (503, HTML, Verdict.DOUBT, "http_503"),
        (503, {"error": {"message": "Insufficient credits"}}, Verdict.STOP_RUN, "insufficient_credits"),
        (505, b"", Verdict.DOUBT, "http_505"),
        (529, {"error": {"message": "Overloaded", "type": "overloaded_error"}}, Verdict.DOUBT, "http_529"),
        (200, HTML, Verdict.SPOILED, "no_picture"),
        (204, b"", Verdict.DOUBT, "unreadable_answer"),
    ],
)
def test_a_status_means_for_the_money_what_the_retry_table_says(status, body, verdict, reason):
    failed = respond(status, body)
    assert (failed.verdict, failed.reason, failed.status) == (verdict, reason, status)


@pytest.mark.parametrize(
    ("status", "body", "verdict", "reason"),
    [
        (503, b"no healthy upstream", Verdict.PASSING, "never_reached"),
        (503, b"upstream connect error. reset reason: connection failure", Verdict.PASSING, "never_reached"),
        (503, b"upstream connect error. reset reason: connection termination", Verdict.DOUBT, "http_503"),
        (
            500,
            {"error": {"message": "litellm.Timeout: Request timed out.", "type": "Timeout"}},
            Verdict.DOUBT,
            "http_500",
        ),
        (502, {"error": {"message": "socket hang up"}}, Verdict.DOUBT, "http_502"),
        (400, {"detail": "Prompt rejected by the content policy"}, Verdict.REFUSED, "moderation"),
        (500, {"error": {"message": "rejected by our safety system"}}, Verdict.REFUSED, "moderation"),
        (200, {"data": [{"text": "I'm sorry, I can't create that image."}]}, Verdict.REFUSED, "refused"),
        (200, {"success": False, "message": "prompt flagged by moderation"}, Verdict.REFUSED, "moderation"),
        (200, {"candidates": [{"finishReason": "IMAGE_SAFETY"}]}, Verdict.REFUSED, "moderation"),
        (
            *(200, {"data": [{"content_filter_results": {"violence": {"filtered": True}}}]}),
            *(Verdict.REFUSED, "moderation"),
        ),
        (200, {"data": [{"content_filter_results": {"hate": {"filtered": False}}}]}, Verdict.SPOILED, "no_picture"),
        (200, {"error": {"message": "insufficient balance", "code": "1113"}}, Verdict.STOP_RUN, "insufficient_credits"),
        (200, {"text": "a painting of the daily news, billing included"}, Verdict.SPOILED, "no_picture"),
        (412, {"error": {"message": "account suspended"}}, Verdict.STOP_RUN, "insufficient_credits"),
        (403, {"error": "Your team has used all available credits"}, Verdict.STOP_RUN, "insufficient_credits"),
        (400, {"error": {"code": "billing_hard_limit_reached"}}, Verdict.STOP_RUN, "insufficient_credits"),
        (403, {"error": {"message": "must be verified to use the model `x`"}}, Verdict.STOP_LANE, "model_unavailable"),
        (404, {"error": {"code": "model_not_found", "message": "x"}}, Verdict.STOP_LANE, "model_unavailable"),
        (429, {"error": {"message": "generate_requests_per_model_per_day"}}, Verdict.STOP_LANE, "daily_limit"),
        (400, {"error": {"code": "invalid_api_key", "message": "x"}}, Verdict.STOP_RUN, "key_rejected"),
        (500, {"error": {"message": "odd", "type": "internal_error"}}, Verdict.DOUBT, "http_500"),
        (202, {"status": "queued", "code": 7}, Verdict.SPOILED, "no_picture"),
    ],
)
def test_any_service_s_failure_means_what_its_words_prove(status, body, verdict, reason):
    failed = respond(status, body, kind="openai")
    assert (failed.verdict, failed.reason) == (verdict, reason)


def test_a_service_that_says_how_long_to_wait_has_not_worked_unless_it_speaks_of_a_gateway():
    assert respond(503, b"busy", kind="openai", retry_after="2").verdict is Verdict.OVERLOADED
    assert respond(529, ERROR, kind="openai", retry_after="2").verdict is Verdict.OVERLOADED
    assert respond(503, b"upstream timed out", kind="openai", retry_after="2").verdict is Verdict.DOUBT


def test_a_refusal_that_comes_with_a_success_may_have_cost_something():
    assert respond(200, {"message": "blocked by moderation"}, kind="openai").maybe_billed
    assert not respond(400, {"message": "blocked by moderation"}, kind="openai").maybe_billed
    assert not respond(200, {"error": {"message": "flagged by moderation"}}).maybe_billed


def test_a_cut_answer_is_read_if_its_json_is_whole_and_is_a_doubt_if_not():
    whole = b'{"data":[{"url":"https://storage.example/a.webp"}]}'
    assert isinstance(respond(200, whole, cut="closed amid the answer"), Answered)
    failed = respond(200, whole[:-5], cut="closed amid the answer")
    assert (failed.verdict, failed.reason) == (Verdict.DOUBT, "answer_cut")


def test_an_answer_that_repeats_the_one_before_it_is_a_doubt():
    failed = respond(200, {"data": [{"url": URL}]}, repeats=True)
    assert (failed.verdict, failed.reason) == (Verdict.DOUBT, "repeated_answer")


@pytest.mark.parametrize("status", range(200, 600))
def test_every_status_is_read_without_fail(status):
    for body in (b"", HTML, b"[" * 5000, json.dumps(ERROR).encode()):
        assert isinstance(respond(status, body), Failed)


def test_a_created_picture_counts_with_any_successful_status():
    assert isinstance(respond(201, {"data": [{"url": URL}]}), Answered)


@pytest.mark.parametrize("status", [409, 429, 500, 503])
def test_the_wait_that_a_refusal_asks_for_is_passed_on(status):
    assert respond(status, b"", retry_after="7").retry_after_s == 7
    assert respond(status, {"error": "x", "retry_after": 9}).retry_after_s == 9
    assert respond(status, {"error": {"message": "x", "retry_after": "3.5"}}).retry_after_s == 3.5
    assert respond(status, {"error": "x", "retry_after": 9}, retry_after="7").retry_after_s == 7
    assert respond(status, {"error": "x", "retry_after": True}).retry_after_s is None


def test_the_rate_that_the_service_states_is_passed_on_with_success_and_failure():
    headers = {
        "RateLimit-Policy": "100;w=1",
        "RateLimit-Limit": "100",
        "RateLimit-Remaining": "7",
        "RateLimit-Reset": "1",
    }
    for status, body in ((200, {"data": [{"url": URL}]}), (429, ERROR)):
        assert respond(status, body, **headers).rate_limit == RateLimit(100, 7, 1.0, 1.0)


def test_a_redirect_says_where_to_without_control_characters():
    assert "https://other.example/v1" in respond(301, b"", location="https://other.example/v1").message


@pytest.mark.parametrize("body", [b"\x1b[2J\x07 gone", b"a\xe2\x80\xaeb", b"<script>alert(1)</script>ok<b>!</b>"])
def test_a_message_has_no_markup_and_nothing_that_moves_a_cursor(body):
    message = respond(500, body).message
    assert message.isprintable()
    assert "<" not in message
    assert "alert" not in message


NAMES = st.sampled_from(["data", "error", "cost", "url", "b64_json", "message", "type", "retry_after"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner))


@given(st.binary(max_size=200) | JSON)
def test_no_body_whatsoever_raises(body):
    for status in (200, 429, 500):
        assert isinstance(respond(status, body), Answered | Failed)


def of_httpx(root):
    return {root}.union(*(of_httpx(one) for one in root.__subclasses__()))


# What an engine knows by the class alone: nothing was accepted, so nothing was billed.
NOT_ACCEPTED = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.WriteError, httpx.WriteTimeout,
    httpx.LocalProtocolError, httpx.UnsupportedProtocol,
)  # fmt: skip


def raised(kind, text=""):
    if kind is httpx.HTTPStatusError:
        request = httpx.Request("POST", "http://x")
        return kind(text, request=request, response=httpx.Response(500, request=request))
    return kind(text)


@pytest.mark.parametrize("kind", sorted(of_httpx(httpx.HTTPError), key=lambda one: f"{one.__module__}.{one.__name__}"))
def test_every_exception_of_a_transport_has_a_verdict_that_keeps_to_its_phase(kind):
    failed = read_transport_error(raised(kind), "")
    assert failed.message
    if issubclass(kind, NOT_ACCEPTED):
        assert failed.verdict in {Verdict.PASSING, Verdict.STOP_RUN}
    else:
        assert failed.verdict is Verdict.DOUBT


@pytest.mark.parametrize(
    ("kind", "verdict", "reason"),
    [
        (failures.ConnectFailed, Verdict.PASSING, "connect"),
        (failures.ConnectTimedOut, Verdict.PASSING, "connect"),
        (failures.AddressRefused, Verdict.STOP_RUN, "address_refused"),
        (failures.CertificateInvalid, Verdict.STOP_RUN, "certificate"),
        (failures.WriteFailed, Verdict.PASSING, "send"),
        (failures.WriteTimedOut, Verdict.PASSING, "send"),
        (failures.ReadFailed, Verdict.DOUBT, "connection_lost"),
        (failures.ReadTimedOut, Verdict.DOUBT, "timeout"),
        (failures.BodyTooLarge, Verdict.DOUBT, "answer_too_large"),
        (failures.AnswerBroken, Verdict.DOUBT, "connection_lost"),
        (failures.AnswerUndecodable, Verdict.DOUBT, "connection_lost"),
        (httpx.UnsupportedProtocol, Verdict.STOP_RUN, "wrong_base_url"),
        (httpx.LocalProtocolError, Verdict.STOP_RUN, "wrong_base_url"),
    ],
)
def test_every_failure_of_an_engine_is_told_apart(kind, verdict, reason):
    failed = read_transport_error(kind("words"), "words")
    assert (failed.verdict, failed.reason, failed.message) == (verdict, reason, "words")
