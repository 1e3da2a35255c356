import errno
import json
import multiprocessing
import os
import signal
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.compare import vote_log, votes
from batchgen.compare.vote import BadVote, Winner
from batchgen.errors import UsageError
from batchgen.store.folder.atomic import sync_folder
from tests.compare.elections import vote

GOOD = {"item": "mug", "a": "amber", "b": "birch", "winner": "a", "voter": "ann", "ts": 1}


def write(folder, *lines, name="votes.jsonl"):
    path = folder / name
    path.write_bytes(b"".join(line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n" for line in lines))
    return path


def test_a_folder_without_votes_has_none(tmp_path):
    assert votes.read(tmp_path) == votes.Votes()


def test_what_is_appended_is_read_back_in_the_order_it_was_cast(tmp_path):
    later, earlier = vote("tie", ts=9, ms=1_200, side="b", seed=7), vote(item="jug", ts=3, axis="look")
    for one in (later, earlier):
        vote_log.append(tmp_path, one)
    assert votes.read(tmp_path).votes == (earlier, later)
    assert all(json.loads(line)["v"] == 1 for line in (tmp_path / "votes.jsonl").read_text().splitlines())


def test_json_from_a_page_is_appended_as_the_vote_it_is(tmp_path):
    assert vote_log.append(tmp_path, json.dumps(GOOD | {"colour": "red"}).encode()) == vote(ts=1)
    assert "colour" not in (tmp_path / "votes.jsonl").read_text()


BAD = {
    "no JSON": b"{",
    "no object": b"[1]",
    "not UTF-8": b'{"item": "\xff"}',
    "a winner that isn't one": GOOD | {"winner": "c"},
    "no winner": {name: GOOD[name] for name in GOOD if name != "winner"},
    "no voter": {name: GOOD[name] for name in GOOD if name != "voter"},
    "a model against itself": GOOD | {"b": "amber"},
    "an empty item": GOOD | {"item": ""},
    "a time before all times": GOOD | {"ts": -1},
    "a time that is text": GOOD | {"ts": "noon"},
    "a side that isn't one": GOOD | {"side": "left"},
    "a newer version": GOOD | {"v": 2},
    "too long": GOOD | {"more": "x" * 70_000},
    "too deep": b'{"more":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    "a number without end": b'{"ts": 1e999}',
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_line_is_named_and_the_others_count(tmp_path, bad):
    bad = bad if isinstance(bad, bytes) else json.dumps(bad).encode()
    path = write(tmp_path, GOOD, bad + b"\n", GOOD | {"item": "jug", "ts": 2})
    found = votes.read(tmp_path)
    assert [one.item for one in found.votes] == ["mug", "jug"]
    (line,) = found.bad
    assert line.place == f"{path}:2"
    assert line.message


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD.keys())
def test_a_bad_vote_is_not_written(tmp_path, bad):
    with pytest.raises(BadVote):
        vote_log.append(tmp_path, bad if isinstance(bad, bytes) else json.dumps(bad).encode())
    assert not (tmp_path / "votes.jsonl").exists()


@given(st.lists(st.binary(max_size=60), max_size=8))
def test_no_file_is_too_odd_to_read(tmp_path_factory, lines):
    path = tmp_path_factory.mktemp("odd") / "votes.jsonl"
    path.write_bytes(b"\n".join(lines))
    found = votes.merged([path])
    # A carriage return or a line feed inside starts a new line or ends one.
    assert found.votes == ()
    assert bool(found.bad) == any(line.strip() for line in b"\n".join(lines).split(b"\n"))


def test_blank_lines_and_the_ends_of_windows_are_no_mistakes(tmp_path):
    write(tmp_path, b"\r\n", json.dumps(GOOD).encode() + b"\r\n", b"   \n")
    found = votes.read(tmp_path)
    assert (len(found.votes), found.bad) == (1, ())


def test_a_line_that_a_crash_cut_short_takes_no_other_vote_with_it(tmp_path):
    write(tmp_path, GOOD, b'{"item": "ju')
    vote_log.append(tmp_path, vote(item="pot", ts=2))
    found = votes.read(tmp_path)
    assert [one.item for one in found.votes] == ["mug", "pot"]
    assert found.bad_lines == 1


def _die_in_the_middle(folder, after_bytes):
    write_some = os.write

    def write_and_die(handle, data):
        write_some(handle, data[:after_bytes])
        os.kill(os.getpid(), signal.SIGKILL)

    os.write = write_and_die
    vote_log.append(folder, vote(item="jug", ts=2))


@pytest.mark.parametrize("after_bytes", [0, 1, 40, 10_000], ids=["none", "a brace", "half", "all"])
def test_a_process_that_is_killed_while_it_writes_a_vote_costs_no_other(tmp_path, after_bytes):
    vote_log.append(tmp_path, vote(ts=1))
    context = multiprocessing.get_context("spawn")
    dying = context.Process(target=_die_in_the_middle, args=(tmp_path, after_bytes))
    dying.start()
    dying.join(60)
    assert dying.exitcode == -signal.SIGKILL
    vote_log.append(tmp_path, vote(item="pot", ts=3))
    found = votes.read(tmp_path)
    assert [one.item for one in found.votes] == (["mug", "jug", "pot"] if after_bytes == 10_000 else ["mug", "pot"])
    assert found.bad_lines == (0 < after_bytes < 10_000)


def test_the_file_s_name_is_on_disk_before_its_first_vote_is(tmp_path, monkeypatch):
    # A process died after it made the file, so the next one can't go by whether it is there.
    (tmp_path / "votes.jsonl").touch()
    sizes = []
    monkeypatch.setattr(
        vote_log,
        "sync_folder",
        lambda folder: sizes.append((folder / "votes.jsonl").stat().st_size) or sync_folder(folder),
    )
    vote_log.append(tmp_path, vote())
    vote_log.append(tmp_path, vote(item="jug"))
    assert sizes == [0]


def test_a_disk_that_knows_no_locks_is_told_apart_from_a_bug(tmp_path, monkeypatch):
    monkeypatch.setattr(vote_log.fcntl, "flock", lambda *_: _full(errno.ENOLCK))
    with pytest.raises(BadVote, match=r"votes\.jsonl: can't be written: no locks available"):
        vote_log.append(tmp_path, vote())


def test_of_a_file_of_nothing_but_bad_lines_few_are_kept_and_all_counted(tmp_path):
    write(tmp_path, b"x\n" * 50_000, GOOD)
    found = votes.read(tmp_path)
    assert (len(found.votes), len(found.bad), found.bad_lines) == (1, votes.SHOWN, 50_000)
    assert found.left_out()[-1] == "… and 49,980 more lines that are no votes"


def test_a_vote_that_was_taken_back_does_not_count_whichever_line_comes_first(tmp_path):
    kept, gone = GOOD | {"item": "jug"}, GOOD
    for lines in ((kept, gone, gone | {"undo": True}), (gone | {"undo": True}, gone, kept)):
        write(tmp_path, *lines)
        found = votes.read(tmp_path)
        assert [one.item for one in found.votes] == ["jug"]
        assert found.undone == 1


def test_taking_back_takes_back_one_vote_only(tmp_path):
    write(tmp_path, GOOD, GOOD | {"voter": "ben"}, GOOD | {"a": "cedar"}, GOOD | {"undo": True})
    assert [(one.voter, one.a) for one in votes.read(tmp_path).votes] == [("ann", "cedar"), ("ben", "amber")]


def test_exports_of_several_people_are_put_together_and_repeated_votes_dropped(tmp_path):
    one = write(tmp_path, GOOD, GOOD | {"item": "jug"}, name="ann.jsonl")
    other = write(tmp_path, GOOD, GOOD | {"voter": "ben", "winner": "tie"}, name="ben.jsonl")
    found = votes.merged([one, other])
    assert sorted((vote.voter, vote.item) for vote in found.votes) == [("ann", "jug"), ("ann", "mug"), ("ben", "mug")]
    assert found.repeated == 1
    assert set(votes.merged([other, one]).votes) == set(found.votes)


def test_the_same_vote_with_the_sides_changed_is_the_same_vote(tmp_path):
    write(tmp_path, GOOD, GOOD | {"a": "birch", "b": "amber", "winner": "b"})
    found = votes.read(tmp_path)
    assert (len(found.votes), found.repeated, found.bad) == (1, 1, ())


def test_the_same_vote_with_another_winner_is_said_to_be_edited(tmp_path):
    write(tmp_path, GOOD, GOOD | {"winner": "b"})
    found = votes.read(tmp_path)
    assert [one.winner for one in found.votes] == [Winner.A]
    assert "another winner" in str(found.bad[0])


def test_of_two_votes_of_one_voter_on_one_pair_the_later_counts(tmp_path):
    write(tmp_path, GOOD | {"ts": 5, "winner": "b"}, GOOD | {"ts": 1}, GOOD | {"voter": "ben"})
    found = votes.read(tmp_path)
    assert [(one.voter, one.winner) for one in found.votes] == [("ben", "a"), ("ann", "b")]
    assert found.revised == 1


def test_voters_without_a_name_may_be_many(tmp_path):
    write(tmp_path, GOOD | {"voter": ""}, GOOD | {"voter": "", "ts": 2})
    assert len(votes.read(tmp_path).votes) == 2


def test_what_was_left_out_is_said_in_words(tmp_path):
    write(tmp_path, GOOD, GOOD, GOOD | {"undo": True}, *[b"x\n"] * 25)
    said = votes.read(tmp_path).left_out()
    assert said[:2] == ("1 vote was taken back", "1 vote was repeated")
    assert len(said) == 2 + votes.SHOWN + 1
    assert said[-1] == "… and 5 more lines that are no votes"


def test_a_file_that_is_not_there_is_a_mistake_of_whoever_named_it(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.jsonl: can't be read: no such file"):
        votes.merged([tmp_path / "nowhere.jsonl"])
    with pytest.raises(UsageError, match="is a directory"):
        votes.merged([tmp_path])


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_votes_are_appended_to_a_file_and_to_nothing_else(tmp_path, kind):
    path = tmp_path / "votes.jsonl"
    (tmp_path / "elsewhere").write_bytes(b"")
    if kind == "link":
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    with pytest.raises(BadVote, match=r"votes\.jsonl"):
        vote_log.append(tmp_path, vote())
    assert (tmp_path / "elsewhere").read_bytes() == b""


def test_a_full_file_takes_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(vote_log, "FILE_BYTES", 300)
    vote_log.append(tmp_path, vote())
    before = (tmp_path / "votes.jsonl").read_bytes()
    with pytest.raises(BadVote, match="is full"):
        vote_log.append(tmp_path, vote(item="x" * 200))
    assert (tmp_path / "votes.jsonl").read_bytes() == before
    vote_log.append(tmp_path, vote(item="jug"))


def _cast(folder, voter, count):
    for number in range(count):
        vote_log.append(folder, vote(voter=voter, ts=number, item=f"{voter} {number} " + "x" * 3_000))


@pytest.mark.process
def test_voters_in_threads_and_processes_lose_no_vote(tmp_path):
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=_cast, args=(tmp_path, f"process {number}", 20)) for number in range(2)]
    others += [threading.Thread(target=_cast, args=(tmp_path, f"thread {number}", 20)) for number in range(2)]
    for one in others:
        one.start()
    for one in others:
        one.join(60)
    found = votes.read(tmp_path)
    assert (len(found.votes), found.bad) == (80, ())


def test_a_line_that_is_too_long_is_one_bad_line(tmp_path):
    write(tmp_path, GOOD, b"x" * 300_000 + b"\n", GOOD | {"item": "jug"}, b"y" * 70_000)
    found = votes.read(tmp_path)
    assert len(found.votes) == 2
    assert [line.place.rpartition(":")[2] for line in found.bad] == ["2", "4"]


def test_a_file_without_end_is_no_file_of_votes(monkeypatch):
    monkeypatch.setattr(votes, "FILE_BYTES", 1_000_000)
    with pytest.raises(UsageError, match="/dev/zero: has more than 1,000,000 bytes"):
        votes.merged([Path("/dev/zero")])


def test_a_disk_that_is_full_keeps_the_votes_it_has_and_no_half_of_another(tmp_path, monkeypatch):
    vote_log.append(tmp_path, vote())
    before = (tmp_path / "votes.jsonl").read_bytes()
    write_some = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: write_some(handle, data[:9]) if len(data) > 99 else _full())
    with pytest.raises(BadVote, match="no space left"):
        vote_log.append(tmp_path, vote(item="jug"))
    assert (tmp_path / "votes.jsonl").read_bytes() == before


def _full(number=errno.ENOSPC):
    raise OSError(number, os.strerror(number))
