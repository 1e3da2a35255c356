"""What the service says: errors in disguise, waits, refusals, and when to stop asking."""

import pytest


def error(message, kind="server_error"):
    return {"error": {"message": message, "type": kind}}


def posted(shop, word):
    return sum(word in post["prompt"] for post in shop.posts())


def test_without_a_fault_everything_is_billed_and_stored_once_and_a_second_run_buys_nothing(shop):
    shop.write(50, concurrency=16)
    assert shop.run().code == 0
    assert len(shop.billing()) == len(shop.at_rest()) == len(shop.published()) == 50


def test_every_size_of_answer_arrives_whole_in_the_row_or_through_a_file_of_its_own(shop):
    shop.rules(
        {"prompt": "large", "pad": 200_000, "harmless": True},
        {"prompt": "hosted", "hosted": True, "harmless": True},
    )
    shop.write([{"prompt": f"{kind} {number}"} for kind in ("small", "large", "hosted") for number in range(4)])
    assert shop.run().code == 0
    assert shop.states() == {"stored": 12}
    assert not list((shop.out / ".batchgen/answers").iterdir())


def test_heartbeats_before_an_answer_are_waited_out(shop):
    shop.rules({"heartbeat_s": 0.3, "delay_s": 4})
    shop.write(3)
    ended = shop.run()
    assert (ended.code, len(shop.posts())) == (0, 3)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"body": error("Insufficient credits. Please top up.")}, "credits"),
        ({"status": 402, "body": error("Payment required: deposit")}, "402"),
        ({"status": 401, "body": error("Invalid API key")}, "key"),
        ({"status": 403, "body": error("Your balance is empty: insufficient balance")}, "balance"),
        ({"status": 307, "headers": {"location": "http://127.0.0.1:9/"}, "body": {}}, "redirect"),
        ({"status": 308, "headers": {"location": "https://example.invalid/"}, "body": {}}, "redirect"),
        ({"status": 404, "body": "<html>Cannot POST</html>", "type": "text/html"}, "address"),
    ],
    ids=["credits in a 200", "402", "401", "403 for money", "307", "308", "wrong path"],
)
def test_a_service_that_takes_no_more_orders_stops_the_run_within_what_is_in_flight(shop, answer, words):
    shop.rules({"nth": [10, 10_000], **answer})
    shop.write(40, concurrency=4)
    ended = shop.run()
    assert ended.code == 3
    assert len(shop.posts()) <= 10 + 4
    assert words in shop.summary()["last_run"]["reason"]
    assert words in ended.err
    shop.rules()
    assert shop.run().code == 0
    assert len(shop.billing()) == 40


def test_a_paid_post_is_never_sent_on_to_where_the_service_redirects(shop):
    shop.rules({"times": 1, "status": 307, "headers": {"location": f"{shop.base_url}/v1/openai/images/generations"}})
    shop.write(1)
    assert shop.run().code == 3
    assert (len(shop.posts()), shop.billing()) == (1, [])


def test_an_error_in_a_200_that_passes_costs_two_more_tries(shop):
    shop.rules({"nth": [1, 2], "body": error("The model had a hiccup")})
    shop.write(1)
    ended = shop.run()
    assert ended.code == 0
    assert shop.rows("SELECT count(*) FROM attempts") == [(3,)]


def test_retry_after_holds_the_whole_lane(shop):
    shop.rules({"within_s": 1.5, "status": 429, "headers": {"retry-after": "1"}, "body": error("Too many requests")})
    shop.write(12)
    assert shop.run().code == 0
    posts = sorted(shop.posts(), key=lambda post: post["time"])
    throttled = [post["time"] for post in posts if not post["billed"]]
    for told in throttled:
        # What was on its way already may still arrive.
        assert not [post for post in posts if told + 0.3 < post["time"] < told + 0.95]
    assert len(shop.billing()) == 12


def test_a_throttled_lane_holds_up_no_other(shop):
    shop.rules(
        {"model": "shop/cheap", "within_s": 2, "status": 429, "headers": {"retry-after": "2"}, "body": error("busy")}
    )
    shop.write(6, matrix={"model": ["shop/cheap", "shop/other"]}, concurrency=8)
    assert shop.run().code == 0
    throttled = [post["time"] for post in shop.posts() if not post["billed"]]
    others = [post["time"] for post in shop.posts() if post["model"] == "shop/other"]
    assert max(others) < min(throttled) + 1.5


def test_a_wait_of_a_day_ends_the_run_and_says_how_long(shop):
    shop.rules({"status": 429, "headers": {"retry-after": "86400"}, "body": error("Too many requests")})
    shop.write(10)
    ended = shop.run()
    assert ended.code == 3
    assert "86,400 s" in ended.err
    assert len(shop.posts()) <= 4


def test_waits_that_make_no_sense_are_no_busy_loop(shop):
    waits = ["-5", "NaN", "1e400", "soon", "", "0", "Thu, 01 Jan 1970 00:00:00 GMT", "1, -1"]
    shop.rules(
        *(
            {
                "prompt": f"case {number}",
                "times": 1,
                "status": 429,
                "headers": {"retry-after": wait},
                "body": error("x"),
            }
            for number, wait in enumerate(waits)
        )
    )
    shop.write([{"prompt": f"case {number}"} for number in range(len(waits))], concurrency=8)
    assert shop.run().code == 0
    times = {}
    for post in shop.posts():
        times.setdefault(post["prompt"], []).append(post["time"])
    assert len(shop.posts()) == 2 * len(waits)
    assert all(0.19 <= after - before < 60 for before, after in times.values())


@pytest.mark.parametrize("bare", [True, False], ids=["bare", "with an error"])
def test_a_service_that_always_fails_is_left_alone_after_a_few_requests(shop, bare):
    shop.rules({"status": 500, "body": "" if bare else error("Internal error")})
    shop.write(40, retry={"attempts": 2, "max_wait": "2s"})
    ended = shop.run("--strict", timeout=60)
    assert ended.code == 3
    assert len(shop.posts()) <= 10 + 4


def test_a_service_that_is_overloaded_now_and_then_gets_few_extra_posts(shop):
    busy = {"status": 503, "headers": {"retry-after": "0"}, "body": error("Service unavailable")}
    shop.rules({"chance": 0.3, **busy})
    shop.write(40, concurrency=8)
    ended = shop.run()
    assert ended.code == 0, ended.err
    assert len(shop.posts()) <= 40 + 8 + 20


def test_a_model_that_refuses_everything_is_left_alone_and_the_others_are_not(shop):
    shop.rules({"model": "shop/other", "status": 400, "body": error("size is invalid for this model")})
    shop.write(20, matrix={"model": ["shop/cheap", "shop/other"]}, concurrency=8)
    ended = shop.run()
    assert ended.code in {1, 3}
    bad = sum(post["model"] == "shop/other" for post in shop.posts())
    assert len(shop.billing()) == 20
    assert bad <= 3 + 8


def test_a_first_answer_of_403_for_everything_stops_the_run(shop):
    shop.rules({"status": 403, "body": error("Forbidden")})
    shop.write(40)
    assert shop.run().code == 3
    assert len(shop.posts()) <= 3 + 4


@pytest.mark.parametrize(
    "refusal",
    [
        {"status": 400, "body": error("Rejected by the content policy", "invalid_request_error")},
        {"body": error("Your prompt was flagged by our safety system")},
    ],
    ids=["400", "200"],
)
def test_refused_prompts_are_asked_once_and_the_others_stored(shop, refusal):
    shop.rules({"prompt": "naughty", **refusal})
    shop.write([{"prompt": f"{'naughty' if number % 4 == 0 else 'nice'} {number}"} for number in range(20)])
    assert shop.run().code == 1
    assert shop.states() == {"stored": 15, "refused": 5}
    assert posted(shop, "naughty") == 5


@pytest.mark.parametrize(
    "answer",
    [
        {"body": {"data": []}},
        {"body": {"data": [{}]}},
        {"body": {"data": None, "cost": 0.01}},
        {"body": {"data": [{"b64_json": "?not base64?"}], "cost": 0.01}},
        {"body": {"data": [{"b64_json": "aGVsbG8="}], "cost": 0.01}},
        {"body": {**error("failed after the work was done"), "cost": 0.01}},
    ],
    ids=["no entry", "empty entry", "null", "bad base64", "no picture", "an error that costs"],
)
def test_what_was_billed_and_is_no_picture_is_spoiled_and_not_asked_again(shop, answer):
    shop.rules({"prompt": "bad", "bill": True, **answer})
    shop.write([{"prompt": "bad"}, {"prompt": "good"}])
    assert shop.run().code == 1
    assert shop.states() == {"stored": 1, "spoiled": 1}
    (line,) = shop.failures()
    assert line["billed_usd"] + line["maybe_billed_usd"] >= 0.01
    assert len(shop.posts()) == 2


GATEWAYS = [
    (503, "upstream connect error or disconnect/reset before headers. reset reason: connection termination"),
    (504, {"error": {"message": "upstream request timeout", "type": "timeout"}}),
    (500, {"error": {"message": "litellm.Timeout: APITimeoutError - Request timed out.", "type": "Timeout"}}),
    (502, {"error": {"message": "socket hang up"}}),
    (503, "busy"),
]


@pytest.mark.parametrize(("status", "body"), GATEWAYS, ids=[f"{status} {n}" for n, (status, _) in enumerate(GATEWAYS)])
def test_what_a_gateway_says_of_a_lost_answer_is_a_doubt_that_is_priced_and_held(shop, status, body):
    shop.rules({"status": status, "body": body, "bill": True})
    shop.write(1)
    assert shop.run("--strict").code == 4
    assert shop.states() == {"in doubt": 1}
    assert len(shop.billing()) == len(shop.posts()) == 1
    assert shop.failures()[0]["maybe_billed_usd"] > 0


def test_a_connection_that_a_gateway_could_not_make_is_tried_again_without_a_doubt(shop):
    shop.rules({"times": 1, "status": 503, "body": "no healthy upstream"})
    shop.write(1)
    assert shop.run("--strict").code == 0
    assert len(shop.billing()) == 1


def test_a_refusal_under_a_server_s_failure_is_asked_once(shop):
    shop.rules({"prompt": "naughty", "status": 500, "body": error("rejected by our safety system")})
    shop.write([{"prompt": "naughty"}, {"prompt": "nice"}])
    assert shop.run().code == 1
    assert shop.states() == {"stored": 1, "refused": 1}
    assert len(shop.posts()) == 2


def test_answers_of_an_unknown_shape_stop_after_three_and_are_kept_whole(shop):
    shop.rules({"bill": True, "body": {"pictures_of_tomorrow": ["x" * 100_000]}})
    shop.write(40, concurrency=2)
    ended = shop.run()
    assert ended.code == 3, ended.err
    assert len(shop.posts()) <= 3 + 4
    bodies = list((shop.out / ".batchgen/answers").glob("*.body"))
    assert len(bodies) == len(shop.posts())
    assert all(b"x" * 100_000 in body.read_bytes() for body in bodies)


@pytest.mark.parametrize(
    "catalogue",
    [
        {"status": 500, "body": "oops"},
        {"body": "[[[["},
        {"body": {"error": "no"}},
        {"body": '{"shop/cheap": {"price": {"min": NaN, "average": -1, "max": 1e999}}}'},
        {"cut": "reset"},
    ],
    ids=["500", "no JSON", "an error", "no numbers", "reset"],
)
def test_a_catalogue_that_is_out_of_order_is_told_or_done_without(shop, catalogue):
    shop.priced = False
    shop.rules({"on": "catalogue", **catalogue})
    shop.write(3)
    assert shop.run().code == 0
    assert len(shop.billing()) == 3
