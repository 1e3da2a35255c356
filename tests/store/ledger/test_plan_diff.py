"""A ledger held against a plan: orphans and their traces."""

import pytest

from batchgen.errors import LedgerDamaged
from batchgen.request import State, number_of
from batchgen.store.ledger import names
from batchgen.store.ledger.nearest_bought import Relatives, all_bought
from batchgen.store.ledger.plan_diff import SHOWN, PlanDiff
from tests import ledgers


@pytest.fixture
def shelf(tmp_path):
    with ledgers.build(tmp_path / "out") as builder:
        builder.begin()
        yield builder


@pytest.fixture
def past(shelf):
    opened = []

    def open_past(*planned):
        opened.append(PlanDiff(shelf.folder.ledger, [number_of(key) for key in planned]))
        return opened[-1]

    yield open_past
    for one in opened:
        one.close()


def test_orphans_are_stored_and_not_asked_for(shelf, past):
    asked, gone, refused = (shelf.request(prompt) for prompt in ("asked", "gone", "refused"))
    shelf.store(asked)
    (file,) = shelf.store(gone)
    shelf.fail(refused)
    here = past(asked.key)
    found = here.orphans()
    assert found.count == 1
    assert [(one.key, one.prompt, one.file) for one in found.first] == [(gone.key, "gone", file)]
    assert here.asked([asked.key])
    assert not here.asked([gone.key])


def test_only_the_first_orphans_are_named_in_the_plan_s_order(shelf, past):
    for number in range(SHOWN + 3):
        shelf.store(shelf.request(f"mug {number}"))
    here = past()
    assert here.orphans().count == SHOWN + 3
    assert [one.prompt for one in here.orphans().first] == [f"mug {number}" for number in range(SHOWN)]
    assert [len(batch) for batch in here.orphan_requests()] == [SHOWN + 3]


def test_states_are_given_of_what_is_known(shelf, past):
    known, refused, unknown = (shelf.request(prompt) for prompt in ("known", "refused", "unknown"))
    shelf.store(known)
    shelf.fail(refused)
    here = past(known.key, refused.key, unknown.key)
    assert not here.empty
    assert here.states([known.key, refused.key, unknown.key]) == {
        known.key: State.STORED,
        refused.key: State.REFUSED,
    }
    assert here.asked([refused.key, "0" * 32]) == {refused.key}


def test_what_is_not_stored_is_open_wherever_it_stands(shelf, past):
    keys = [shelf.request(f"mug {number}") for number in range(300)]
    for one in keys[50:250]:
        shelf.store(one)
    here = past(*(one.key for one in (*keys, keys[0], keys[60])))
    assert list(here.open_positions) == [*range(50), *range(250, 300), 300]


def test_what_was_stored_since_is_asked_for_and_its_state_is_news(shelf, past):
    early, late = shelf.request("early"), shelf.request("late")
    shelf.store(early)
    here = past(early.key, late.key)
    assert list(here.open_positions) == [1]
    shelf.store(late)
    assert here.asked([late.key])
    assert here.states([late.key]) == {late.key: State.STORED}
    assert here.orphans().count == 0


def test_what_was_stored_since_for_an_earlier_plan_is_not_asked_for_and_an_orphan_at_the_next_look(shelf, past):
    asked, of_before = shelf.request("asked"), shelf.request("of an earlier plan")
    shelf.store(asked)
    here = past(asked.key)
    assert list(here.open_positions) == []
    shelf.store(of_before)
    assert not here.asked([of_before.key])
    here.look_again()
    assert [one.key for one in here.orphans().first] == [of_before.key]


def test_what_was_retired_is_no_orphan(shelf, past):
    one = shelf.request("gone")
    shelf.store(one)
    names.retire(shelf.db, [1], now_ms=1)
    here = past()
    assert here.orphans().count == 0


def test_an_orphan_whose_picture_was_deleted_by_hand_has_no_file_to_name(shelf, past):
    (file,) = shelf.store(shelf.request("gone"))
    names.record_deleted(shelf.db, [file])
    assert [(one.prompt, one.file) for one in past().orphans().first] == [("gone", None)]


def test_relatives_share_a_place_or_words(shelf, past):
    shelf.store(shelf.request("a red mug on a table", columns={"id": "1"}))
    shelf.store(shelf.request("an owl in a tree at night", columns={"id": "2"}))
    here = past()
    relatives = Relatives(here)

    def related(*given, row, **more):
        one = shelf.request(*given, **more)
        return {ledgers_prompt(found) for found in relatives.of(_at(one, row))}

    assert related("all other words", row=99, columns={"id": "2"}) == {"an owl in a tree at night"}
    assert related("a red mug on a chair", row=99) == {"a red mug on a table"}
    assert related("the fox in a tree at night", row=99) == {"an owl in a tree at night"}
    assert related("nothing like it", row=0) == {"a red mug on a table"}
    assert related("nothing like it", row=99) == set()
    assert len(list(all_bought(here))) == 2


def test_many_orphans_alike_are_not_all_looked_at(shelf, past):
    for number in range(60):
        shelf.store(shelf.request(f"icon of thing {number} in the very same style"))
    here = past()
    found = Relatives(here).of(_at(shelf.request("icon of thing 99 in the very same style"), 999))
    assert 0 < len(found) <= 32


def test_a_folder_without_a_ledger_has_no_past(tmp_path):
    with pytest.raises(LedgerDamaged, match="there is no ledger here"):
        PlanDiff(tmp_path / "ledger.db", [])


def ledgers_prompt(bought):
    from batchgen.store.ledger.records import prompt_of

    return prompt_of(bought.canonical.decode())


def _at(request, row):
    import msgspec

    return msgspec.structs.replace(request, row=row)
