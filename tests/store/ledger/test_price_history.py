from contextlib import closing

import pytest

from batchgen.request import Experience, State
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import price_history as module
from batchgen.store.ledger.price_history import experience
from batchgen.store.ledger.transitions import Bill
from tests.ledgers import build


@pytest.fixture
def ledger(tmp_path):
    with build(tmp_path / "out") as builder:
        builder.begin()
        yield builder


def told(ledger):
    return {(one.model, one.like): one for one in experience(ledger.folder.ledger, provider="imagerouter")}


def test_it_tells_what_answers_cost_and_took_by_model_and_by_what_was_asked(ledger):
    for cost, latency_ms in ((10_000, 950), (20_000, 1_950), (60_000, 2_950)):
        ledger.store(ledger.request(str(cost), quality="low"), billed=cost, latency_ms=latency_ms)
    ledger.store(ledger.request("dear", quality="high", size="1x1"), billed=90_000, latency_ms=8_950)
    seen = told(ledger)
    assert seen["maker/one", None] == Experience("maker/one", None, 4, 10_000, 45_000, 90_000, 2_500)
    low = ("low", "", "")
    assert seen["maker/one", low] == Experience("maker/one", low, 3, 10_000, 30_000, 60_000, 2_000)
    assert seen["maker/one", ("high", "1x1", "")].billed == 1


def test_costs_that_were_estimated_and_attempts_that_were_not_billed_do_not_count(ledger):
    ledger.store(ledger.request("stated"), billed=10_000)
    ledger.store(ledger.request("estimated"), billed=0, estimated=50_000, flag="not stated")
    ledger.fail(ledger.request("refused"))
    ledger.fail(ledger.request("doubt"), State.DOUBT, reason="reset", message="lost", maybe_microusd=50_000)
    ledger.send(ledger.request("on its way"))
    seen = told(ledger)["maker/one", None]
    assert (seen.billed, seen.least_microusd, seen.most_microusd) == (1, 10_000, 10_000)
    assert seen.median_ms == 2_050


def test_only_the_newest_attempts_count(ledger, monkeypatch):
    monkeypatch.setattr(module, "NEWEST", 2)
    for cost in (90_000, 10_000, 20_000):
        ledger.answer(ledger.send(ledger.request(str(cost))), Bill(cost, source="answer"))
    assert told(ledger)["maker/one", None].most_microusd == 20_000


def test_a_model_without_a_stated_cost_still_tells_its_time(ledger):
    ledger.store(ledger.request("a"), billed=0, estimated=5, flag="not stated", latency_ms=950)
    assert told(ledger)["maker/one", None] == Experience("maker/one", None, 0, 0, 0, 0, 1_000)


def test_what_stated_tokens_came_to_counts_as_what_was_paid(ledger):
    ledger.store(ledger.request("a"), billed=0, estimated=166_700, flag="not stated", source="tokens")
    seen = told(ledger)["maker/one", None]
    assert (seen.billed, seen.most_microusd) == (1, 166_700)


def test_another_provider_s_answers_are_none_of_ours(ledger):
    ledger.store(ledger.request("a"))
    assert experience(ledger.folder.ledger, provider="openai") == ()


@pytest.mark.parametrize("content", [None, b"", b"no database at all", b"SQLite format 3\0" + bytes(84)])
def test_without_a_ledger_that_can_be_read_there_is_none(tmp_path, content):
    folder = RunFolder(tmp_path)
    folder.state.mkdir()
    if content is not None:
        folder.ledger.write_bytes(content)
    assert experience(folder.ledger, provider="imagerouter") == ()


def test_reading_it_leaves_the_ledger_open_to_its_writer(ledger):
    ledger.store(ledger.request("a"))
    told(ledger)
    with closing(ledger.db.cursor()) as cursor:
        cursor.execute("BEGIN IMMEDIATE")
        cursor.execute("ROLLBACK")
