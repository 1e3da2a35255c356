"""What the wire does: resets, cuts, silence, floods and outages, at every moment of a request that may be paid for."""

import json

import pytest

from tests.faults.pictures import png

CUTS = [
    "reset",
    "close",
    "reset in the head",
    "reset in the body",
    "short",
    "chunk cut",
    "no last chunk",
    "garbage",
    "header flood",
]


@pytest.mark.parametrize("cut", CUTS)
def test_strict_never_repeats_what_was_lost_on_the_wire(shop, cut):
    shop.rules({"prompt": "cut", "cut": cut})
    shop.write([{"prompt": f"{'cut' if number < 2 else 'whole'} {number}"} for number in range(5)])
    ended = shop.run("--strict")
    assert ended.code == 4, ended.err
    assert shop.states() == {"stored": 3, "in doubt": 2}
    assert len(shop.posts()) == 5
    assert [line["maybe_billed_usd"] for line in shop.failures()] == [0.01, 0.01]


def test_an_answer_with_two_lengths_that_arrived_whole_is_taken(shop):
    shop.rules({"prompt": "odd", "cut": "two lengths"})
    shop.write([{"prompt": f"{'odd' if number < 2 else 'whole'} {number}"} for number in range(5)])
    ended = shop.run("--strict")
    assert ended.code == 0, ended.err
    assert shop.states() == {"stored": 5}
    assert len(shop.posts()) == 5


@pytest.mark.parametrize("cut", ["reset", "reset in the body", "chunk cut"])
def test_what_was_lost_on_the_wire_is_repeated_once(shop, cut):
    shop.rules({"prompt": "once", "times": 1, "cut": cut}, {"prompt": "always", "cut": cut})
    shop.write([{"prompt": "once"}, {"prompt": "always"}, {"prompt": "never"}])
    ended = shop.run()
    assert ended.code == 4, ended.err
    assert shop.states() == {"stored": 2, "in doubt": 1}
    assert len(shop.billing()) == 5
    assert shop.summary()["maybe_billed_microusd"] == 3 * 10_000


def test_repeating_stops_at_the_risk_cap(shop):
    shop.risk_cap_microusd = 30_000
    shop.rules({"prompt": "cut", "cut": "reset"})
    # Enough that arrives in between keeps the lane's breaker closed.
    rows = [{"prompt": f"{'cut' if number % 4 == 0 else 'whole'} {number}"} for number in range(24)]
    shop.write(rows, retry={"risk_usd": 0.03})
    assert shop.run().code == 4
    assert len(shop.billing()) == 24 + 3


def test_dear_requests_are_never_repeated_unasked(shop):
    shop.rules({"cut": "reset"})
    shop.write(2, model="shop/dear")
    assert shop.run().code == 4
    assert len(shop.posts()) == 2


@pytest.mark.parametrize("silence", ["hang", "hang in the body", "drip", "informational for ever"])
def test_a_deadline_ends_every_kind_of_waiting(shop, silence):
    shop.rules({"prompt": "slow", "cut": silence})
    shop.write([{"prompt": "slow"}, {"prompt": "quick"}], retry={"deadline": "2s"})
    ended = shop.run("--strict")
    assert ended.code == 4
    assert shop.states() == {"stored": 1, "in doubt": 1}
    assert len(shop.posts()) == 2
    ((duration_ms,),) = shop.rows("SELECT duration_ms FROM attempts WHERE outcome = 'in doubt'")
    assert 1000 <= duration_ms <= 3000


def test_two_deadlines_in_a_row_are_the_last_of_a_request(shop):
    shop.rules({"cut": "hang"})
    shop.write(1, retry={"deadline": "1s"})
    assert shop.run().code == 4
    assert len(shop.posts()) == 2


def test_an_endless_body_stops_at_a_cap(shop):
    shop.rules({"prompt": "flood", "cut": "flood"})
    shop.write([{"prompt": "flood"}, {"prompt": "quick"}])
    ended = shop.run("--strict")
    assert ended.code == 4
    assert ended.peak_rss_bytes < 300 * 2**20
    assert ended.seconds < 15


def test_a_service_that_comes_up_late_is_waited_for(shop):
    shop.outage(True)
    shop.write(6, prices={"shop/cheap": 0.01})
    process = shop.start("--json")
    spoken = (line for line in process.stdout if json.loads(line)["event"] not in {"started", "notice"})
    assert json.loads(next(spoken))["event"] == "retrying"
    shop.outage(False)
    assert shop.end(process).code == 0
    assert len(shop.billing()) == 6


def test_a_service_that_never_comes_up_is_given_up_with_its_address(shop):
    shop.outage(True)
    shop.write(4, prices={"shop/cheap": 0.01})
    ended = shop.run()
    assert ended.code == 3
    assert ended.seconds < 60
    assert f"127.0.0.1:{shop.ports['shop']}" in shop.summary()["last_run"]["reason"]
    assert not shop.posts()


@pytest.mark.parametrize("options", [["--strict"], []], ids=["strict", "retry"])
def test_an_outage_in_the_middle_is_survived(shop, options):
    shop.rules({"delay_s": 0.1, "harmless": True})
    shop.write(40, concurrency=8, retry={"risk_usd": 10})
    shop.risk_cap_microusd = 10_000_000
    process = shop.start(*options)
    shop.wait(lambda: len(shop.posts()) >= 12, process)
    shop.outage(True)
    with pytest.raises(AssertionError, match="never"):
        shop.wait(lambda: process.poll() is not None, timeout=2)
    shop.outage(False)
    ended = shop.end(process)
    assert ended.code == (4 if options else 0), ended.err
    states = shop.states()
    assert states["stored"] + states["in doubt"] == 40
    assert states["in doubt"] <= 8


def test_an_answer_that_claims_a_compression_nobody_asked_for_is_read_as_it_stands(shop):
    shop.rules({"headers": {"content-encoding": "gzip"}})
    shop.write(2)
    assert shop.run("--strict").code in {0, 4}
    assert len(shop.billing()) == 2


def test_an_upload_that_the_service_does_not_read_to_its_end_is_not_billed_and_sent_again(shop):
    shop.rules({"prompt": "busy", "times": 1, "status": 503, "body": {"error": {"message": "overloaded"}}})
    (shop.root / "mug.png").write_bytes(png(0, pad=300_000))
    shop.write([{"prompt": "busy", "image": "mug.png"}, {"prompt": "idle", "image": "mug.png"}])
    assert shop.run().code == 0
    assert len(shop.billing()) == 2
