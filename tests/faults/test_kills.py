"""SIGKILL at random moments, again and again, with many requests on their way.

``FAULT_KILLS=200`` makes it a long test; the default is for every day.
"""

import os
import random
import time

import pytest

ROUNDS = int(os.environ.get("FAULT_KILLS", "12"))
CONCURRENCY = 32


@pytest.mark.slow
@pytest.mark.timeout(60 + 5 * ROUNDS)
@pytest.mark.parametrize("mode", ["strict", "retry"])
def test_killed_at_random_and_resumed_nothing_recorded_is_ever_bought_again(shop, mode):
    options = ["--strict"] if mode == "strict" else []
    requests = 40 * ROUNDS
    shop.risk_cap_microusd = 10_000_000_000
    shop.rules(
        {"prompt": "mug 1", "pad": 150_000, "delay_s": 0.05, "harmless": True},
        {"prompt": "mug 2", "hosted": True, "delay_s": 0.1, "harmless": True},
        {"delay_s": 0.08, "harmless": True},
    )
    shop.write(requests, concurrency=CONCURRENCY, retry={"risk_usd": 10_000}, limits={"budget_usd": 10_000})
    dice = random.Random(f"{mode} {ROUNDS}")
    in_flight = 0
    for _ in range(ROUNDS):
        process = shop.start(*options)
        shop.wait_for_posts(len(shop.posts()) + dice.randint(1, 80), process)
        # Any moment between two posts is as good as another.
        time.sleep(dice.random() * 0.1)
        shop.kill(process)
        in_flight += shop.states()["sent"]
    ended = shop.run(*options, timeout=120)
    states = shop.states()
    assert ended.code == (4 if states["in doubt"] else 0), ended.err
    assert states["stored"] + states["in doubt"] == requests
    assert states["in doubt"] <= in_flight
    assert len(shop.billing()) <= requests + (in_flight if mode == "retry" else 0)
    if mode == "retry" and states["in doubt"]:
        shop.asked_again = states["in doubt"]
        assert shop.run("--retry", "doubt", timeout=120).code == 0
        assert shop.states() == {"stored": requests}
