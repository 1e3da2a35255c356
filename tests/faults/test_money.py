"""Costs that are wrong, and caps that hold all the same."""

import json

import pytest

COSTS = ["NaN", "-1", "true", "1e999", "null", '"free"', "[]", "1e12", "-1e999"]


@pytest.mark.parametrize("cost", COSTS)
def test_a_cost_that_is_no_cost_counts_as_its_estimate_and_is_flagged(shop, cost):
    shop.rules({"cost": cost})
    shop.write(8, concurrency=2, limits={"budget_usd": 0.05})
    ended = shop.run()
    assert ended.code == 3, ended.err
    assert len(shop.billing()) == 5
    assert shop.rows("SELECT DISTINCT cost_flag IS NOT NULL FROM attempts WHERE outcome = 'billed'") == [(1,)]
    assert shop.summary()["estimated_microusd"] == 50_000
    json.dumps(shop.summary(), allow_nan=False)


def test_a_cost_as_text_is_billed_and_flagged(shop):
    shop.rules({"cost": '"0.01"'})
    shop.write(8, concurrency=2, limits={"budget_usd": 0.05})
    ended = shop.run()
    assert ended.code == 3, ended.err
    assert len(shop.billing()) == 5
    rows = shop.rows("SELECT DISTINCT cost_source, cost_flag FROM attempts WHERE outcome = 'billed'")
    assert rows == [("answer", "stated as text")]
    assert (shop.summary()["billed_microusd"], shop.summary()["estimated_microusd"]) == (50_000, 0)


def test_a_budget_for_ten_of_fifty_buys_ten_whatever_is_in_flight(shop):
    shop.rules({"delay_s": 0.1, "harmless": True})
    shop.write(50, concurrency=16, model="shop/four", limits={"budget_usd": 0.40})
    ended = shop.run()
    assert ended.code == 3
    assert len(shop.billing()) == 10
    assert shop.run().code == 3
    assert len(shop.billing()) == 10


def test_a_budget_counts_what_is_in_doubt(shop):
    shop.rules({"cut": "reset"})
    shop.write(20, concurrency=4, limits={"budget_usd": 0.04})
    assert shop.run("--strict").code == 3
    assert len(shop.billing()) == 4


def test_a_service_that_charges_five_times_its_price_is_noticed_within_what_is_in_flight(shop):
    shop.rules({"cost": "0.05", "charge_microusd": 50_000})
    shop.write(40, concurrency=4, limits={"budget_usd": 0.30})
    ended = shop.run()
    assert ended.code == 3
    charged = sum(line["price_microusd"] for line in shop.billing())
    assert charged <= 300_000 + 4 * 40_000
    assert shop.summary()["billed_microusd"] == charged


def test_a_budget_holds_across_kills(shop):
    shop.rules({"delay_s": 0.05, "harmless": True})
    shop.write(40, concurrency=4, limits={"budget_usd": 0.12})
    for at in (3, 6, 9):
        process = shop.start()
        shop.wait_for_posts(at, process)
        shop.kill(process)
    shop.run()
    assert len(shop.billing()) <= 12
