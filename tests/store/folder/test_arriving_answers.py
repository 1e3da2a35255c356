"""The files into which answers arrive: which of them a next run finds, and with what."""

import errno
import os
import sys
from pathlib import Path

import pytest

from batchgen.provider.arrival import ENDING_AT, ROOM_AT, Arrival, arriving_head, from_rest
from batchgen.store.folder import arriving_answers
from batchgen.store.folder.arriving_answers import ArrivingAnswers, left_arrived, left_behind, take_over
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder

KEYS = [f"{number:032x}" for number in range(40)]


@pytest.fixture
def files(tmp_path):
    folder = RunFolder(tmp_path)
    folder.answers.mkdir(parents=True)
    made = ArrivingAnswers(folder, DiskSpace(folder, concurrency=1))
    made.folder = folder
    return made


def begun(files, number, *parts):
    place = files.expect(KEYS[number], 1)
    place.begin(arriving_head(place.attempt, 200, (), None), room_at=ROOM_AT)
    for number, part in enumerate(parts):
        assert place.write(part) is bool(b"".join(parts[: number + 1]).strip())
    return place


def taken_over(files):
    """What a next run finds, by the key's number."""
    take_over(files.folder.answers)
    assert not list(left_behind(files.folder.answers))
    return {int(path.name[:32], 16): from_rest(path.read_bytes()).body for path in files.folder.answers.glob("*.body")}


def test_what_has_not_been_given_back_is_found_with_all_its_bytes(files):
    begun(files, 1, b"one")
    begun(files, 2, b"two ", b"", b"parts")
    begun(files, 3, b"x" * 5000, b"y" * 300_000)
    assert taken_over(files) == {1: b"one", 2: b"two parts", 3: b"x" * 5000 + b"y" * 300_000}


def test_an_answer_that_was_given_back_is_found_by_nobody(files):
    begun(files, 1, b"one").release()
    begun(files, 2, b"y" * 70_000).release()
    assert left_arrived(files.folder.answers) == {}
    assert taken_over(files) == {}


@pytest.mark.parametrize("first", [1, 3, 50, 3000, 3900, 4096, 9000, 300_000])
def test_an_answer_in_a_used_file_has_nothing_of_the_one_before(files, first):
    for second in (b"a", b"b" * 3, b"c" * 60, b"d" * 3500, b"e" * 5000):
        begun(files, 1, b"1" * first).release()
        assert len(list(left_behind(files.folder.answers))) == 1
        place = begun(files, 2, second, b"", b"more")
        (path,) = left_behind(files.folder.answers)
        assert from_rest(path.read_bytes()).body == second + b"more" == bytes(place.view())
        place.release()
        assert not list(left_behind(files.folder.answers)), "a file that was viewed is never written again"


def test_heartbeats_alone_are_no_answer(files):
    place = begun(files, 1, b" " * 10, b"\n")
    assert place.is_blank
    place.leave()
    begun(files, 2, b"  ")
    assert not list(left_behind(files.folder.answers)), "no file is open for what only waits"
    begun(files, 3, b" ", b" \n", b"three")
    assert taken_over(files) == {3: b"  \nthree"}


def test_what_is_left_is_found_and_no_longer_used(files):
    begun(files, 1, b"one").leave()
    begun(files, 2, b"two").release()
    assert taken_over(files) == {1: b"one"}


def test_what_is_kept_has_its_name_its_ending_and_its_bytes_and_is_private(files):
    place = begun(files, 1, b"x" * 100_000)
    body = place.view()
    assert place.holds(body)
    assert not place.holds(bytes(body))
    path = place.keep(ENDING_AT, Arrival(200, (), b"", cut="it broke off").ending())
    assert (path.name, path.stat().st_mode & 0o777) == (f"{KEYS[1]}-1.body", 0o600)
    arrival = from_rest(path.read_bytes())
    assert (arrival.body, arrival.cut) == (bytes(body), "it broke off")
    place.release()
    assert path.exists()


def test_what_is_kept_already_is_not_replaced_by_what_arrived_of_it(files):
    begun(files, 1, b"one")
    (files.folder.answers / f"{KEYS[1]}-1.body").write_bytes(b"whole")
    take_over(files.folder.answers)
    assert [path.read_bytes() for path in files.folder.answers.iterdir()] == [b"whole"]


def test_closing_removes_what_nobody_needs_and_nothing_else(files):
    begun(files, 1, b"one").leave()
    two, three = begun(files, 2, b"two"), begun(files, 3, b"three")
    two.release()
    three.release()
    files.close()
    assert taken_over(files) == {1: b"one"}


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EIO, errno.EFBIG])
def test_a_file_that_fails_leaves_the_rest_to_memory_and_stops_the_run_only_if_the_disk_is_to_blame(
    files, monkeypatch, number
):
    place = begun(files, 1, b"on disk")

    def failing(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(arriving_answers, "write_at", failing)
    assert not place.write(b"in memory")
    monkeypatch.undo()
    assert not place.write(b"nor this")
    assert bytes(place.view()) == b"on disk"
    assert not place.holds(place.view())
    assert (files._space.failed is None) is (number in {errno.EMFILE, errno.ENFILE})


def test_foreign_files_and_links_are_left_alone(files):
    answers = files.folder.answers
    (answers / "a.arriving").write_bytes(b"no answer of ours")
    (answers / "notes").write_bytes(b"mine")
    (answers / "b.arriving").symlink_to(answers / "notes")
    take_over(answers)
    assert sorted(path.name for path in answers.iterdir()) == ["b.arriving", "notes"]


def test_few_files_stay_open_between_two_answers(files):
    places = [begun(files, number, b"at once") for number in range(40)]
    assert len(list(left_behind(files.folder.answers))) == 40
    for place in places:
        place.release()
    assert len(list(left_behind(files.folder.answers))) == 32
    files.close()
    assert not list(files.folder.answers.iterdir())


def descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists a process's descriptors")
@pytest.mark.parametrize(("size", "more"), [(1 << 20, 0), (9 << 20, 1)])
def test_a_large_answer_is_mapped_and_a_smaller_one_takes_no_descriptor(files, size, more):
    place = begun(files, 1, b"x" * size)
    before = descriptors()
    assert len(place.view()) == size
    assert descriptors() - before == more


@pytest.mark.parametrize("size", [10, 5000, 60_000])
def test_a_kill_between_two_writes_leaves_an_answer_as_a_whole_or_not_at_all(files, monkeypatch, size):
    class Killed(BaseException):
        """The process is gone."""

    real = arriving_answers.write_at
    for lives in range(4):
        begun(files, 1, b"1" * 30_000).release()
        calls = []

        def deadly(handle, content, place, calls=calls, lives=lives):
            calls.append(place)
            if len(calls) > lives:
                raise Killed
            real(handle, content, place)

        monkeypatch.setattr(arriving_answers, "write_at", deadly)
        try:
            begun(files, 2, b"2" * size)
        except Killed:
            whole = False
        else:
            whole = True
        monkeypatch.undo()
        found = [from_rest(path.read_bytes()).body for path in left_arrived(files.folder.answers).values()]
        assert found == ([b"2" * size] if whole else [])
        for path in left_behind(files.folder.answers):
            path.unlink()
