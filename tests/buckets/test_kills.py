"""SIGKILL again and again while the bucket comes and goes: nothing is bought twice, nothing is lost."""

import os
import random
import time

import pytest

from tests.buckets.service import BUSY
from tests.buckets.test_run import in_bucket, paid_twice, pictures_in

ROUNDS = int(os.environ.get("FAULT_KILLS", "4"))


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(300 + 60 * ROUNDS)
def test_killed_while_the_bucket_comes_and_goes_nothing_is_bought_twice_or_lost(shop, bucket, service):
    requests = 25 * ROUNDS
    shop.rules({"prompt": "mug 1", "pad": 150_000, "harmless": True}, {"delay_s": 0.1, "harmless": True})
    in_bucket(shop, requests, concurrency=8)
    dice = random.Random(ROUNDS)
    in_flight = 0
    for number in range(ROUNDS):
        service.fail(BUSY if number % 2 else None)
        process = shop.start("--strict")
        shop.wait_for_posts(len(shop.posts()) + dice.randint(1, 20), process)
        time.sleep(dice.random() * 0.3)
        shop.kill(process)
        in_flight += shop.states()["sent"]
    service.fail(None)
    ended = shop.run("--strict", timeout=200)
    assert ended.code in {0, 4}, ended.err
    states = shop.states()
    assert paid_twice(shop) == {}
    assert states["stored"] + states["in doubt"] == requests
    assert states["in doubt"] <= in_flight
    assert len(shop.billing()) <= requests
    assert shop.at_rest() == []
    assert len(pictures_in(bucket)) == states["stored"]
    assert shop.run("--read-data", command="verify").code == 0
