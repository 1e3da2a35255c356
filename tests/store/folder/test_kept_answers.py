"""Paid bodies at rest, by key and attempt, and the notes of attempts that cost nothing."""

import errno
import os
import stat

import pytest

from batchgen.store.folder.kept_answers import kept_answers, mark_unbilled, unbilled, write_answer
from batchgen.store.folder.run_folder import RunFolder

KEY = f"9f{0:030x}"


@pytest.fixture
def folder(tmp_path):
    folder = RunFolder(tmp_path / "mugs")
    with folder.opened():
        yield folder


def test_a_body_is_found_by_its_key_and_attempt_and_is_private(folder):
    path = write_answer(folder, KEY, 17, b"a body")
    for stranger in ("notes.body", "17.body", f"{KEY}-x.body", "-17.body", f".{KEY}-18.part"):
        (folder.answers / stranger).write_bytes(b"")
    assert kept_answers(folder) == {(KEY, 17): path}
    assert path == folder.answer(path.name)
    assert path.read_bytes() == b"a body"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_body_is_synced_before_it_has_its_name(folder, monkeypatch):
    steps = []
    for name in ("fsync", "replace"):
        real = getattr(os, name)
        monkeypatch.setattr(os, name, lambda *args, _name=name, _real=real: (steps.append(_name), _real(*args))[1])
    write_answer(folder, KEY, 17, b"a body")
    assert steps == ["fsync", "replace"]


def test_a_disk_error_is_raised_and_leaves_nothing_behind(folder, monkeypatch):
    def full(*args):
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="no space"):
        write_answer(folder, KEY, 3, b"body")
    assert list(folder.answers.iterdir()) == []


def test_a_note_says_of_one_attempt_that_it_was_not_billed_and_is_no_answer(folder):
    mark_unbilled(folder, KEY, 4)
    mark_unbilled(folder, KEY, 4)
    (note,) = folder.answers.iterdir()
    assert unbilled(folder) == {(KEY, 4): note}
    assert note.stat().st_size == 0
    assert kept_answers(folder) == {}
