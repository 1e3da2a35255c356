"""A cap on money holds, whatever the requests in flight turn out to cost."""

from hypothesis import given
from hypothesis import strategies as st

from batchgen.manifest import Shard
from batchgen.running.buy.budget import Budget, RetryTokens, Risk
from batchgen.store.ledger.reader import Spent

prices = st.integers(0, 10_000)


@given(cap=st.integers(0, 50_000), spent=st.tuples(prices, prices, prices), data=st.data())
def test_no_history_of_reservations_and_bills_passes_the_cap(cap, spent, data):
    budget = Budget(cap, Spent(*spent))
    before, in_flight = budget.committed_microusd, []
    for _ in range(data.draw(st.integers(0, 40))):
        if in_flight and data.draw(st.booleans()):
            reserved = in_flight.pop(data.draw(st.integers(0, len(in_flight) - 1)))
            column = data.draw(st.sampled_from(["billed_microusd", "maybe_microusd", "estimated_microusd"]))
            budget.settle(reserved, **{column: data.draw(st.integers(0, reserved))})
        elif not budget.shortage(price := data.draw(prices)):
            budget.reserve(price)
            in_flight.append(price)
        assert budget.committed_microusd <= max(cap, before)
    for reserved in in_flight:
        budget.settle(reserved)
    assert budget.reserved_microusd == 0


def test_without_a_cap_everything_fits():
    assert Budget(None, Spent()).shortage(10**15) is None


def test_a_budget_that_is_used_up_to_the_cent_takes_only_what_is_free():
    budget = Budget(100, Spent(billed_microusd=60, maybe_microusd=30, estimated_microusd=10))
    assert budget.shortage(0) is None
    assert budget.shortage(1) == (
        "the budget of $0.0001 is used up: another request may cost $0.000001; "
        "--budget, or limits.budget_usd, raises it"
    )


def test_the_account_s_balance_bounds_what_this_run_has_in_flight_and_spends():
    budget = Budget(None, Spent(billed_microusd=500), balance_microusd=100)
    budget.reserve(60)
    assert budget.shortage(40) is None
    assert budget.shortage(41) == "the account's balance of $0.0001 does not cover another request"
    budget.settle(60, billed_microusd=10)
    assert budget.shortage(90) is None
    assert budget.shortage(91)
    # What costs nothing is sent from an empty account.
    assert Budget(None, Spent(), balance_microusd=0).shortage(0) is None


def test_retries_are_earned_by_first_attempts_and_bounded():
    tokens = RetryTokens()
    assert [tokens.take() for _ in range(21)] == [True] * 20 + [False]
    for _ in range(10):
        tokens.earn()
    assert [tokens.take() for _ in range(3)] == [True, True, False]
    for _ in range(10_000):
        tokens.earn()
    assert sum(tokens.take() for _ in range(200)) == 100


@given(
    cap=st.none() | st.integers(0, 2_000_000),
    expected=st.integers(0, 10**9),
    risked=st.integers(0, 100_000),
    asked=st.lists(st.none() | st.integers(0, 300_000), max_size=60),
)
def test_no_more_is_ever_risked_than_the_cap(cap, expected, risked, asked):
    risk = Risk(cap, expected_microusd=expected, risked_microusd=risked)
    assert risk.cap_microusd == (max(500_000, expected // 100) if cap is None else cap)
    taken = risked
    for price in asked:
        if risk.take(price):
            assert price < 250_000
            taken += price
    assert risk.risked_microusd == taken <= max(risk.cap_microusd, risked)


def test_a_request_of_unknown_or_high_price_is_never_repeated_unasked():
    risk = Risk(10**9, expected_microusd=0, risked_microusd=0)
    assert [risk.take(price) for price in (None, 250_000, 10**6, 249_999)] == [False, False, False, True]


@given(expected=st.integers(0, 10**9), count=st.integers(1, 64))
def test_all_shards_together_may_risk_what_the_whole_plan_may(expected, count):
    whole = Risk(None, expected_microusd=expected, risked_microusd=0).cap_microusd
    shards = (Shard(index, count) for index in range(count))
    parts = [Risk(None, expected_microusd=expected, risked_microusd=0, shard=shard).cap_microusd for shard in shards]
    assert sum(parts) == whole
