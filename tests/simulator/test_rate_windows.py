import pytest

from batchgen.simulator.rate_windows import FixedWindow, images_per_s

FREE = "black-forest-labs/FLUX-1-schnell:free"


@pytest.mark.parametrize(("balance_usd", "limit"), [(0, 6), (1.4, 6), (1.75, 7), (10.3, 41), (25, 100), (9_999, 100)])
def test_the_limit_is_four_a_second_for_each_dollar_within_6_and_100(balance_usd, limit):
    assert images_per_s(round(balance_usd * 1_000_000)) == limit


def test_a_window_refuses_beyond_its_limit_and_forgets_at_its_end():
    window = FixedWindow(1)
    assert [window.take("a", 2, 10.1).allowed for _ in range(3)] == [True, True, False]
    assert window.take("b", 2, 10.9).remaining == 1
    assert window.take("a", 2, 11.0).allowed


def test_every_answer_of_a_generation_says_where_the_limit_stands(start):
    with start(rate_limits=True, balance_usd=100) as shop:
        good, bad = shop.buy(), shop.buy(size="nonsense")
        for answer in (good, bad):
            assert answer.headers["ratelimit-policy"] == "100;w=1"
            assert answer.headers["ratelimit-limit"] == "100"
            assert 98 <= int(answer.headers["ratelimit-remaining"]) <= 99
            assert answer.headers["ratelimit-reset"] == "1"


def test_a_poor_account_is_throttled_with_a_real_429(start):
    with start(rate_limits=True, balance_usd=0.5) as shop:
        answers = [shop.buy(f"{n}") for n in range(14)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].headers["ratelimit-remaining"] == "0"
        assert refused[0].json()["error"]["type"] == "rate_limit_error"
        assert shop.billing()["accepted"] == 14 - len(refused)


def test_an_address_can_have_a_limit_of_its_own(start):
    with start(requests_per_s_per_address=2) as shop:
        assert 429 in [shop.buy().status_code for _ in range(6)]


def test_without_limits_nothing_is_said_about_them(shop):
    assert not [name for name in shop.buy().headers if "ratelimit" in name]


def test_a_free_model_has_a_daily_limit_that_a_restart_does_not_lift(start, tmp_path):
    with start(tmp_path, free_per_day=2) as shop:
        assert [shop.buy(model=FREE, size="64x64").status_code for _ in range(2)] == [200, 200]
    with start(tmp_path, free_per_day=2) as shop:
        answer = shop.buy(model=FREE)
        assert (answer.status_code, answer.json()["error"]["type"]) == (429, "rate_limit_error")
        assert "Daily limit" in answer.json()["error"]["message"]
        assert shop.buy().status_code == 200
