"""Films by the second, and what was taken from another folder: counted apart, and never as bought."""

import pytest

from batchgen.report.frame import read_frame
from batchgen.report.tables import overall, per_model
from batchgen.store.ledger import transitions
from batchgen.store.ledger.records import snapshot
from batchgen.store.ledger.transitions import Bill, StoredPicture
from batchgen.store.media.sniff import Format


def film(name, duration_ms):
    return StoredPicture(f"images/{name}.mp4", "00", 9, Format("mp4", "mp4", 640, 360, duration_ms))


def buy(ledger, name, pictures, *, model="maker/film", bill=None):
    ticket = ledger.send(ledger.request(name, model=model))
    ledger.answer(ticket, bill or Bill(600_000))
    transitions.store(ledger.db, request_id=ticket.request_id, pictures=pictures, downloads=1, now_ms=ledger.now_ms)


def reuse(ledger, name, pictures, *, model="maker/film"):
    transitions.reuse(
        ledger.db,
        request=ledger.request(name, model=model),
        stem=f"images/{name}",
        run_id=ledger.run_id,
        pictures=pictures,
        reused_from="outputs/before",
        answered_ms=1,
        now_ms=ledger.now_ms,
    )


def totals(ledger):
    with snapshot(ledger.folder.ledger) as db:
        frame = read_frame(db)
        return overall(frame, active_ms=60_000), {group.name: group for group in per_model(frame, starts=[0])}


def test_films_are_priced_by_the_second_and_pictures_are_not(ledger):
    ledger.begin()
    buy(ledger, "a", [film("a", 4_000)])
    buy(ledger, "b", [film("b", 8_000)])
    ledger.store(ledger.request("c"), billed=40_000)
    total, models = totals(ledger)
    assert (total.pictures, total.films, total.unit) == (3, 2, "picture")
    assert models["maker/film"].unit == "film"
    assert models["maker/film"].billed_per_second_microusd == total.billed_per_second_microusd == 100_000
    assert models["maker/one"].billed_per_second_microusd is None


@pytest.mark.parametrize(
    ("pictures", "bill"), [([film("a", None)], Bill(600_000)), ([film("a", 4_000)], Bill(0, 600_000, "not stated"))]
)
def test_a_film_without_a_length_or_a_stated_cost_has_no_price_by_the_second(ledger, pictures, bill):
    ledger.begin()
    buy(ledger, "a", pictures, bill=bill)
    total, _ = totals(ledger)
    assert (total.films, total.billed_per_second_microusd) == (1, None)


def test_what_was_reused_counts_as_stored_and_in_no_price_time_or_rate(ledger):
    ledger.begin()
    buy(ledger, "a", [film("a", 4_000)])
    before, _ = totals(ledger)
    reuse(ledger, "b", [film("b", 8_000), film("b-2", 8_000)])
    after, _ = totals(ledger)
    assert (after.requests, after.stored, after.reused, after.pictures) == (2, 2, 1, 3)
    assert (after.attempts, after.retries) == (1, 0)
    for name in ("billed_per_picture_microusd", "billed_per_second_microusd", "pictures_per_minute", "latency", "item"):
        assert getattr(after, name) == getattr(before, name)
