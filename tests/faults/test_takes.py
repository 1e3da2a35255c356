"""SIGKILL while further takes of what is stored are bought: each is bought once for each time it was asked for."""

import random
import time

import pytest


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize("mode", ["strict", "retry"])
def test_killed_at_random_each_take_is_bought_once_and_the_first_picture_stays(shop, mode):
    options = ["--strict"] if mode == "strict" else []
    shop.risk_cap_microusd = 10_000_000_000
    shop.rules({"delay_s": 0.05, "harmless": True})
    shop.write(12, retry={"risk_usd": 10_000})
    assert shop.run(*options).code == 0
    names = {path.name for path in shop.published()}
    dice = random.Random(mode)
    again = [word for row in range(1, 13) for word in ("--again", f"row={row}")]
    in_flight, billed = 0, []
    process = shop.start(*options, *again)
    for _ in range(3):
        shop.wait_for_posts(len(shop.posts()) + dice.randint(1, 4), process)
        time.sleep(dice.random() * 0.05)
        shop.kill(process)
        billed.append(len(shop.billing()))
        in_flight += shop.states()["sent"]
        assert {path.name for path in shop.published()} == names
        assert shop.rows("SELECT count(*) FROM requests WHERE state = 'stored'") == [(12,)]
        process = shop.start(*options)
    ended = shop.end(process)
    # Every picture was stored before, so all that is bought after a kill is bought again, as it was asked for.
    shop.asked_again = sum(len(shop.billing()) - before for before in billed)
    doubts = shop.states()["in doubt"]
    assert ended.code == (4 if doubts else 0), ended.err
    assert doubts <= in_flight
    assert len(shop.billing()) <= 24 + (in_flight if mode == "retry" else 0)
    taken = shop.rows("SELECT count(DISTINCT request_id) FROM other_takes")[0][0]
    assert taken + doubts == 12
    assert {path.name for path in shop.published()} == names
