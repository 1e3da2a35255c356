import httpx
import pytest

from tests.simulator.conftest import GENERATIONS

PAID = "openai/gpt-image-1"


def charged(shop):
    return shop.billing()["charged_microusd"]


@pytest.mark.parametrize(
    ("fault", "lost"),
    [
        ({"kind": "reset_before"}, httpx.ReadError),
        ({"kind": "reset_mid_body"}, httpx.ReadError),
        ({"kind": "truncate"}, httpx.RemoteProtocolError),
        ({"kind": "truncate", "content_length": True}, httpx.RemoteProtocolError),
        ({"kind": "hang"}, httpx.ReadTimeout),
    ],
)
@pytest.mark.parametrize("base", ["/v1/openai", "/v1"])
def test_an_answer_that_is_lost_on_the_way_was_billed(shop, fault, lost, base):
    shop.switch_on({"first": 1, **fault})
    key = f"{fault} {base}"
    with pytest.raises(lost):
        shop.http.post(
            f"{base}/images/generations",
            json={"model": PAID, "prompt": "x", "response_format": "url"},
            headers={"Idempotency-Key": key},
            timeout=0.5,
        )
    assert shop.times_billed(key) == 1
    assert shop.buy().status_code == 200


def test_a_reset_before_the_answer_sends_not_even_headers(shop):
    shop.switch_on({"kind": "reset_before"})
    with pytest.raises(httpx.ReadError), shop.http.stream("POST", GENERATIONS, json={"model": PAID, "prompt": "x"}):
        pytest.fail("headers came")


def test_a_reset_in_the_middle_comes_after_the_headers(shop):
    shop.switch_on({"kind": "reset_mid_body"})
    with shop.http.stream("POST", GENERATIONS, json={"model": PAID, "prompt": "x"}) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx.ReadError):
            answer.read()


def test_a_drip_keeps_a_read_timeout_from_firing(shop):
    shop.switch_on({"kind": "drip", "interval_s": 0.05})
    with shop.http.stream("POST", GENERATIONS, json={"model": PAID, "prompt": "drip"}, timeout=0.5) as answer:
        drops = answer.iter_raw()
        assert [next(drops) for _ in range(15)] == [b" "] * 15


@pytest.mark.parametrize("fields", [{"kind": "error_200"}, {"kind": "refuse"}])
def test_a_failed_generation_is_a_200_with_an_error_that_costs_nothing(shop, fields):
    shop.switch_on({**fields, "message": "own words"})
    before = charged(shop)
    answer = shop.buy(model=PAID)
    assert answer.status_code == 200
    assert answer.json()["error"]["message"] == "own words"
    assert charged(shop) == before


@pytest.mark.parametrize(
    ("kind", "words"), [("error_200", "overloaded"), ("refuse", "moderation"), ("insufficient_credits", "Insufficient")]
)
def test_errors_speak_as_the_service_does(shop, kind, words):
    shop.switch_on({"kind": kind})
    assert words in shop.buy().json()["error"]["message"]


@pytest.mark.parametrize("status", [400, 402, 404, 500, 503, 520, 529])
def test_any_status_can_be_given_and_is_not_billed(shop, status):
    shop.switch_on({"kind": "http_status", "status": status})
    before = shop.billing()["accepted"]
    answer = shop.buy(model=PAID)
    assert answer.status_code == status
    assert answer.json()["error"]["type"]
    assert shop.billing()["accepted"] == before


def test_a_gateway_can_answer_html_though_the_generation_was_billed(shop):
    shop.switch_on({"kind": "http_status", "status": 502, "html": True, "billed": True})
    answer = shop.buy(model=PAID, key="gateway")
    assert answer.status_code == 502
    assert answer.headers["content-type"] == "text/html"
    assert answer.text.startswith("<html>")
    assert shop.times_billed("gateway") == 1


@pytest.mark.parametrize("text", ["2", "86400", "-5", "NaN", "1e400", "soon", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_a_throttle_says_any_retry_after(shop, text):
    shop.switch_on({"kind": "throttle", "retry_after": text})
    answer = shop.buy()
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == text
    assert answer.json()["error"]["type"] == "rate_limit_error"


@pytest.mark.parametrize("literal", ["NaN", "-1", '"0.04"', "true", "1e999", "null"])
def test_the_cost_can_be_any_literal_and_the_charge_stays_right(shop, literal):
    shop.switch_on({"kind": "wrong_cost", "literal": literal})
    before = charged(shop)
    assert shop.buy(model=PAID).text.endswith(f'"cost":{literal}}}')
    assert charged(shop) == before + 167_000


def test_the_cost_can_be_missing(shop):
    shop.switch_on({"kind": "wrong_cost"})
    assert "cost" not in shop.buy(model=PAID).json()


def test_bad_json_and_empty_data_are_billed(shop):
    shop.switch_on({"kind": "bad_json", "first": 1}, {"kind": "empty_data"})
    before = charged(shop)
    with pytest.raises(ValueError):
        shop.buy(model=PAID).json()
    answer = shop.buy(model=PAID).json()
    assert (answer["data"], answer["cost"]) == ([], 0.167)
    assert charged(shop) == before + 2 * 167_000


def test_a_hosted_picture_can_be_html_a_status_or_half(shop):
    answer = shop.buy()
    whole = shop.fetch(answer).content
    shop.switch_on({"kind": "not_an_image"})
    assert shop.fetch(answer).content.startswith(b"<html>")
    shop.switch_on({"kind": "download_status", "status": 403})
    assert shop.fetch(answer).status_code == 403
    shop.switch_on({"kind": "download_truncate", "first": 1})
    with pytest.raises(httpx.RemoteProtocolError):
        shop.fetch(answer)
    assert shop.fetch(answer).content == whole


def test_a_fault_strikes_the_first_n_or_every_nth(shop):
    shop.switch_on({"kind": "http_status", "first": 2})
    assert [shop.buy(f"first {n}").status_code for n in range(4)] == [500, 500, 200, 200]
    shop.switch_on({"kind": "http_status", "every": 3})
    assert [shop.buy(f"every {n}").status_code for n in range(6)] == [200, 200, 500, 200, 200, 500]


def test_a_fault_strikes_only_the_models_it_names(shop):
    shop.switch_on({"kind": "http_status", "model": "openai/*"})
    assert shop.buy(model=PAID).status_code == 500
    assert shop.buy(model="google/imagen-4").status_code == 200


def test_a_probability_strikes_the_same_requests_again_with_the_same_seed(start):
    def statuses(order, seed):
        with start(seed=seed, faults=({"kind": "http_status", "probability": 0.5},)) as shop:
            return {n: shop.buy(f"chance {n}").status_code for n in order}

    forward = statuses(range(40), 7)
    assert forward == statuses(reversed(range(40)), 7)
    assert forward != statuses(range(40), 8)
    assert 8 <= sum(status == 500 for status in forward.values()) <= 32


def test_a_request_struck_by_chance_gets_through_when_it_is_tried_again(shop):
    shop.switch_on({"kind": "http_status", "probability": 0.5})
    assert {shop.buy("again and again").status_code for _ in range(20)} == {200, 500}


@pytest.mark.parametrize(
    "body",
    [b'{"faults": [{"kind": "explode"}]}', b'{"faults": [{"kind": "hang", "wen": 1}]}', b"[]", b'{"x": 1}', b"{"],
)
def test_a_fault_that_is_not_understood_is_a_400(shop, body):
    assert shop.http.post("/_simulator/faults", content=body).status_code == 400


def test_the_active_faults_can_be_read(shop):
    shop.switch_on({"kind": "hang", "model": "openai/*"})
    (fault,) = shop.http.get("/_simulator/faults").json()["faults"]
    assert (fault["kind"], fault["model"]) == ("hang", "openai/*")
