"""What is known of a run folder without its ledger."""

import json

import pytest

from batchgen.request import State
from batchgen.store.dataset.leftovers import Remains, is_lost, picture_files, remembered
from batchgen.store.folder.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "out")
    made.state.mkdir(parents=True)
    return made


def write(folder, name, *lines):
    path = folder.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines))


@pytest.mark.parametrize(
    "name", ["metadata.jsonl", "failures.jsonl", "trash/2026-03-01-020000/moved.jsonl", "images/00000/a.png"]
)
@pytest.mark.parametrize("ledger", [None, b""])
def test_what_an_earlier_run_left_tells_that_its_ledger_is_lost(folder, name, ledger):
    assert not is_lost(folder)
    write(folder, name, {"key": "a"})
    if ledger is not None:
        folder.ledger.write_bytes(ledger)
    assert is_lost(folder)
    folder.ledger.write_bytes(b"damaged, and there all the same")
    assert not is_lost(folder)


@pytest.mark.parametrize("name", ["metadata.jsonl", "failures.jsonl"])
def test_an_empty_list_tells_nothing(folder, name):
    write(folder, name)
    assert not is_lost(folder)


def test_hidden_files_are_nobody_s_pictures(folder):
    write(folder, "images/00000/.a.part", "")
    assert (list(picture_files(folder)), is_lost(folder)) == ([], False)


def test_each_key_has_the_state_that_a_rebuilt_ledger_would_give_it(folder):
    write(folder, "metadata.jsonl", {"key": "a"}, "{", {"file_name": "b.png"})
    write(folder, "trash/2026-03-01-020000/moved.jsonl", {"key": "b"})
    write(folder, "failures.jsonl", {"key": "c", "state": "refused"}, {"key": "d", "state": ["lost"]}, {"key": "e"})
    lookup = remembered(folder)
    assert lookup("abcdef") == {"a": State.STORED, "b": State.STORED, "c": State.REFUSED}


def test_lines_that_nobody_can_read_are_counted_and_end_nothing(folder):
    write(folder, "metadata.jsonl", "{", {"key": "a"}, {"key": "a"}, "[]")
    write(folder, "failures.jsonl", {"key": "c", "state": "refused"}, "\udcff".encode("utf-8", "replace").decode())
    remains = Remains(folder)
    assert [*remains.stored(), *remains.trashed(), *remains.failed()] == []
    assert remains.unreadable == 6
