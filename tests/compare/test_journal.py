import pytest

from batchgen.compare import journal
from batchgen.compare.entries import Entry, Shot
from batchgen.compare.journal import Journal
from batchgen.compare.page_columns import PlacedEntry


def entry(number, *, ordinal=1, state="stored", file=None):
    shot = (
        Shot(
            ordinal,
            file or f"images/{number}-{ordinal}.png",
            f"ab/{number}-{ordinal}.png",
            True,
            "ab" * 32,
            9,
            "png",
            1,
            1,
            None,
        )
        if state == "stored"
        else None
    )
    return Entry(
        number=number, ordinal=ordinal, key="k", state=state, position=number, row=0, repeat=1, provider="p", model="m",
        words={}, columns={}, axes={}, attempts=1, billed_microusd=0, maybe_microusd=0, estimated_microusd=0,
        cost_source=None, latency_ms=None, latency_source=None,
        total_ms=None, answered_ms=None, reason=None, message=None, status=None, shot=shot,
    )  # fmt: skip


def plain(place, entry):
    return PlacedEntry(place, entry, None, 0)


def changed(kept, requests, *entries):
    kept.take(requests, entries)
    kept.number(plain)


@pytest.fixture
def kept():
    found = Journal()
    changed(found, [1, 2, 3], entry(1), entry(2), entry(3))
    return found


def places(changes):
    return [row.place for row in changes.rows]


def test_what_went_away_is_told_once_to_who_had_it_and_never_to_who_comes_later(kept):
    before = kept.since(0)
    changed(kept, [2])
    after = kept.since(before.after)
    assert (after.rows, after.gone) == ((), (1,))
    assert kept.since(after.after).gone == ()
    assert (places(kept.since(0)), kept.since(0).gone) == ([0, 2], ())
    assert [row.entry.number for row in kept.rows] == [1, 3]


def test_what_comes_back_has_its_old_place(kept):
    changed(kept, [2])
    before = kept.since(0)
    changed(kept, [2], entry(2))
    assert places(kept.since(before.after)) == [1]
    assert places(kept.since(0)) == [0, 2, 1]


def test_of_two_pictures_one_may_go(kept):
    changed(kept, [2], entry(2), entry(2, ordinal=2))
    before = kept.since(0)
    changed(kept, [2], entry(2))
    assert (places(kept.since(before.after)), kept.since(before.after).gone) == ([], (3,))


def test_a_name_is_that_of_the_picture_that_has_it_now(kept):
    assert kept.shot("images/2-1.png") is not None
    changed(kept, [2, 4], entry(4, file="images/2-1.png"))
    assert kept.shot("images/2-1.png") == entry(4, file="images/2-1.png").shot
    changed(kept, [4])
    assert kept.shot("images/2-1.png") is None


def test_what_is_taken_again_after_an_error_counts_once(kept):
    kept.take([2], [entry(2, state="spoiled")])
    before = kept.since(0)
    changed(kept, [2], entry(2, state="spoiled"))
    assert places(kept.since(before.after)) == [1]
    assert len(list(kept.rows)) == 3


def test_the_gone_come_in_parts_too(kept, monkeypatch):
    monkeypatch.setattr(journal, "MOST_ROWS", 1)
    after, seen = 1, []
    changed(kept, [1])
    changed(kept, [3])
    while (part := kept.since(after)).rows or part.gone:
        seen += part.gone
        after = part.after
    assert seen == [0, 2]
