"""What each title's pictures cost: exact, in the order of the plan, and of what is to be compared alone."""

import pytest

from batchgen.compare.costs import Cost, read_costs
from batchgen.store.ledger import transitions
from batchgen.store.ledger.records import snapshot
from tests import ledgers


@pytest.fixture
def ledger(tmp_path):
    with ledgers.build(tmp_path / "mugs") as builder:
        builder.begin()
        yield builder


def costs(ledger, axis):
    with snapshot(ledger.folder.ledger) as db:
        return read_costs(db, axis)


@pytest.mark.parametrize("axis", ["model", "look", "row"])
def test_an_empty_folder_has_no_costs(ledger, axis):
    assert costs(ledger, axis) == {}


@pytest.mark.parametrize(
    ("name", "titles"),
    [
        ("look", ["ink", "oil"]),
        ("model", ["maker/two", "maker/one"]),
        ("subject", ["owl", "mug"]),
        ("quality", ["high", "low"]),
        ("repeat", ["1"]),
        ("row", ["0", "1"]),
        ("provider", ["imagerouter"]),
        ("nothing", []),
    ],
)
def test_a_name_is_an_axis_the_model_a_parameter_a_column_or_a_count(ledger, name, titles):
    for model, look, subject, quality in (("two", "ink", "owl", "high"), ("one", "oil", "mug", "low")):
        request = ledger.request(
            "a", model=f"maker/{model}", axes={"look": look}, columns={"subject": subject}, quality=quality
        )
        ledger.store(request)
    assert list(costs(ledger, name)) == titles


def test_titles_stand_in_the_order_of_the_plan_and_not_of_the_answers(ledger):
    requests = [ledger.request("a", model=model) for model in ("first", "second", "third")]
    for request in reversed(requests):
        ledger.store(request)
    assert list(costs(ledger, "model")) == ["first", "second", "third"]


def test_thousands_of_titles_have_each_their_own_cost(ledger):
    ledger.db.execute("BEGIN")
    for number in range(300):
        ledger.store(ledger.request(f"mug {number}"), billed=number * 10, latency_ms=number + 1)
        ledger.store(ledger.request(f"mug {number}", model="maker/two"), billed=2, latency_ms=number + 5)
    ledger.db.execute("COMMIT")
    assert costs(ledger, "prompt") == {
        f"mug {number}": Cost(2, number * 5 + 1, estimated=False, latency_ms=number + 1) for number in range(300)
    }


def test_what_was_taken_from_another_folder_does_not_make_a_picture_cheaper(ledger):
    ledger.store(ledger.request("bought"), billed=40_000)
    content = transitions.StoredPicture("images/a.png", "ab" * 32, 9, ledgers.inspect(ledgers.picture_bytes(1)))
    transitions.reuse(
        ledger.db,
        request=ledger.request("reused"),
        stem="images/a",
        run_id=ledger.run_id,
        reused_from="outputs/before",
        pictures=[content],
        answered_ms=1,
        now_ms=ledger.now_ms,
    )
    (cost,) = costs(ledger, "model").values()
    assert (cost.pictures, cost.microusd) == (2, 40_000)


def test_what_was_retired_is_not_counted(ledger):
    ledger.store(ledger.request("kept"), billed=40_000)
    ledger.store(ledger.request("retired"), billed=90_000)
    ledger.retire(2)
    (cost,) = costs(ledger, "model").values()
    assert (cost.pictures, cost.microusd) == (1, 40_000)


def test_what_is_free_by_the_job_file_costs_nothing_and_what_nobody_prices_is_unknown(ledger):
    ledger.store(ledger.request("a", model="free"), billed=0, flag="not stated", source="manifest")
    ledger.store(ledger.request("a", model="unknown"), billed=0, flag="not stated", source=None)
    found = costs(ledger, "model")
    assert (found["free"].microusd, found["free"].estimated) == (0, True)
    assert found["unknown"].microusd is None
