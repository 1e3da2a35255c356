import hashlib
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tests.simulator.conftest import GENERATIONS

PAID = "openai/gpt-image-1"


def ledger(state):
    return [json.loads(line) for line in (state / "billing.jsonl").read_text().splitlines()]


def until(true, seconds=5.0):
    """Asks again and again: what happens in the server after a client hung up is seen only from outside."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def post_and_hang_up(shop, key):
    """Sends a whole request, waits for the first byte of the answer, and is gone."""
    url = httpx.URL(shop.endpoints.api_url)
    body = json.dumps({"model": PAID, "prompt": key}).encode()
    head = (
        f"POST {GENERATIONS} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer simulator\r\nIdempotency-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((url.host, url.port)) as connection:
        connection.sendall(head.encode() + body)
        assert connection.recv(1)


def test_the_books_equal_the_costs_in_the_answers_to_the_micro_dollar(start, tmp_path):
    with start(tmp_path, balance_usd=50) as shop:
        costs = [
            shop.buy(f"picture {place}", model=model, quality=quality).json()["cost"]
            for place, (model, quality) in enumerate(
                [(PAID, "low"), (PAID, "high"), ("black-forest-labs/FLUX-1-schnell", "high"), ("test/test", "low")] * 5
            )
        ]
        total = sum(round(cost * 1_000_000) for cost in costs)
        billing = shop.billing()
        assert billing["charged_microusd"] == total
        assert billing["available_microusd"] == 50_000_000 - total
        assert sum(line["charged_microusd"] for line in ledger(tmp_path)) == total
        credit = shop.http.get("/v1/credits?by_api_key=true").json()
        assert credit["remaining_credits"] == f"{50 - total / 1e6:.4f}"
        assert credit["credit_usage"] == credit["usage_by_api_key"][0]["credit_usage"] == f"{total / 1e6:.4f}"
        assert credit["usage_by_api_key"][0]["total_requests"] == 20


def test_a_line_of_the_ledger_tells_everything_but_the_key_and_the_prompt(start, tmp_path):
    key = "s" * 64
    with start(tmp_path) as shop:
        shop.http.headers["Authorization"] = f"Bearer {key}"
        answer = shop.buy("my secret idea", model=PAID, key="idem-1")
    (line,) = ledger(tmp_path)
    assert line["model"] == PAID
    assert line["prompt_sha256"] == hashlib.sha256(b"my secret idea").hexdigest()
    assert line["idempotency_key"] == "idem-1"
    assert (line["outcome"], line["charged_microusd"]) == ("billed", 167_000)
    assert line["pictures"][0] in answer.json()["data"][0]["url"]
    assert key not in (tmp_path / "billing.jsonl").read_text()
    assert "my secret idea" not in (tmp_path / "billing.jsonl").read_text()


def test_the_maximum_is_reserved_while_a_generation_runs_and_the_difference_comes_back(start):
    with start(balance_usd=1.0, latency_s=0.5) as shop, ThreadPoolExecutor(1) as threads:
        running = threads.submit(shop.buy, model=PAID, quality="low")
        until(lambda: shop.billing()["in_flight"] == 1)
        assert shop.billing()["available_microusd"] == 700_000
        assert running.result().json()["cost"] == 0.011
        assert shop.billing()["available_microusd"] == 989_000


def test_credits_below_the_maximum_price_are_insufficient_though_the_cost_would_fit(start):
    with start(balance_usd=0.2) as shop:
        answer = shop.buy(model=PAID, quality="low")
        assert answer.status_code == 200
        assert answer.json()["error"]["message"] == "Insufficient credits (this model needs minimum $0.3 credits)"
        assert shop.billing()["accepted"] == 0


def test_a_client_that_hangs_up_is_billed_all_the_same(start):
    with start(latency_s=0.3) as shop:
        post_and_hang_up(shop, "gone")
        assert shop.billing()["in_flight"] == 1
        until(lambda: shop.times_billed("gone") == 1)
        assert shop.billing()["charged_microusd"] == 167_000


def test_two_hundred_requests_in_flight_are_seen_as_such(start):
    with start(latency_s=1.0) as shop:
        limits = httpx.Limits(max_connections=None)
        client = httpx.Client(headers=shop.http.headers, limits=limits, timeout=30, trust_env=False)
        with client, ThreadPoolExecutor(200) as threads:
            url = shop.endpoints.api_url + GENERATIONS
            answers = list(
                threads.map(lambda n: client.post(url, json={"model": "test/test", "prompt": str(n)}), range(200))
            )
        assert all("data" in answer.json() for answer in answers)
        assert shop.billing()["peak_in_flight"] == 200
        assert shop.billing()["in_flight"] == 0


def test_what_is_in_flight_when_the_simulator_ends_is_billed(start, tmp_path):
    with start(tmp_path, latency_s=60.0) as shop:
        post_and_hang_up(shop, "cut off")
        began = time.monotonic()
    assert time.monotonic() - began < 30
    (line,) = ledger(tmp_path)
    assert (line["idempotency_key"], line["outcome"], line["charged_microusd"]) == ("cut off", "billed", 167_000)


def test_a_restart_on_the_same_folder_keeps_ports_balance_and_pictures(start, tmp_path, photo):
    with start(tmp_path) as shop:
        paid = shop.buy("keep me", model=PAID)
        edit = shop.http.post(
            GENERATIONS, data={"model": "test/test", "prompt": "x"}, files={"image": ("a.png", photo)}
        )
        before = [shop.fetch(answer).content for answer in (paid, edit)]
        billing, endpoints = shop.billing(), shop.endpoints
    with start(tmp_path) as shop:
        assert shop.endpoints == endpoints
        assert [shop.fetch(answer).content for answer in (paid, edit)] == before
        after = shop.billing()
        for name in ("charged_microusd", "available_microusd", "bodies", "billed", "refunded", "accepted"):
            assert after[name] == billing[name]


def test_other_ports_are_taken_when_the_last_ones_are_in_use(start, tmp_path):
    with start(tmp_path) as shop:
        old = shop.endpoints
    port = httpx.URL(old.api_url).port
    with socket.create_server(("127.0.0.1", port)), start(tmp_path) as shop:
        assert shop.endpoints.api_url != old.api_url
        assert shop.endpoints.pictures_url == old.pictures_url


def test_half_a_line_left_by_a_killed_server_is_dropped(start, tmp_path):
    with start(tmp_path) as shop:
        shop.buy(model=PAID)
    for name in ("billing.jsonl", "pictures.jsonl"):
        with (tmp_path / name).open("a") as file:
            file.write('{"id": "half')
    with start(tmp_path) as shop:
        shop.buy(model=PAID)
        assert shop.billing()["billed"] == 2
    assert len(ledger(tmp_path)) == 2


@pytest.mark.parametrize("n", [1, 3])
def test_counts_are_kept_for_every_idempotency_key(shop, n):
    for _ in range(n):
        shop.buy(key=f"counted {n}")
    assert shop.billing()["idempotency_keys"][f"counted {n}"] == {"billed": n, "refunded": 0}
