"""Pictures that are written a piece at a time: the same files as others, judged alike, and no litter."""

import errno
import hashlib
import os

import pytest

from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.media.sniff import NotAPicture
from batchgen.store.pictures import large_pictures
from batchgen.store.pictures.large_pictures import ArrivingPicture, put_pieces
from batchgen.store.pictures.on_disk import put_picture
from tests.photos import photo

KEY = "0123456789abcdef" * 2


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path)
    made.pictures.mkdir(parents=True)
    return made


def pieces(content, size=1000):
    return [content[place : place + size] for place in range(0, len(content), size)]


def files(folder):
    return {path.name: path.read_bytes() for path in folder.pictures.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "gif", "tiff"])
def test_a_picture_in_pieces_is_stored_as_one_in_memory(folder, tmp_path, kind):
    content = photo(kind)
    other = RunFolder(tmp_path / "other")
    other.pictures.mkdir(parents=True)
    expected = put_picture(other, KEY, 1, content, revised_prompt="a mug")
    assert put_pieces(folder, KEY, 1, pieces(content), revised_prompt="a mug") == expected
    assert files(folder) == files(other)
    assert folder.original(expected.original).stat().st_mode & 0o777 == 0o444


@pytest.mark.parametrize("content", [b"", b"no picture" * 500, photo("png")[:-10]], ids=["empty", "text", "cut"])
def test_what_is_no_picture_leaves_no_file(folder, content):
    with pytest.raises(NotAPicture):
        put_pieces(folder, KEY, 1, pieces(content))
    assert files(folder) == {}


def test_pieces_that_end_in_an_error_leave_no_file(folder):
    def broken():
        yield photo("png")[:100]
        raise NotAPicture("bad base64")

    with pytest.raises(NotAPicture, match="base64"):
        put_pieces(folder, KEY, 1, broken())
    assert files(folder) == {}


def test_an_equal_picture_is_there_already_and_another_one_keeps_its_number(folder):
    first, second = photo("png"), photo("png", note=200)
    stored = put_pieces(folder, KEY, 1, pieces(first))
    assert put_pieces(folder, KEY, 1, pieces(first)) == stored
    assert put_pieces(folder, KEY, 1, pieces(second)).original.endswith("-2.png")
    assert sorted(files(folder).values()) == sorted([first, second])


def arriving(folder, monkeypatch, content, *, limit, status=200):
    monkeypatch.setattr(large_pictures, "LARGEST_IN_MEMORY_BYTES", limit)
    place = ArrivingPicture(folder, KEY, DiskSpace(folder, concurrency=1))
    place.begin(status, [])
    return place, [place.add(piece) for piece in pieces(content)]


def test_a_small_download_takes_no_file_and_a_large_one_holds_nothing_in_memory(folder, monkeypatch):
    content = photo("png")
    place, taken = arriving(folder, monkeypatch, content, limit=len(content))
    assert not any(taken)
    assert files(folder) == {}
    place, taken = arriving(folder, monkeypatch, content, limit=1500)
    assert taken[:2] == [False, True]
    assert all(taken[1:])
    view = place.view()
    assert (bytes(view), place.holds(view), place.holds(content)) == (content, True, False)
    stored = place.put(1)
    place.discard()
    assert (stored.sha256, stored.bytes) == (hashlib.sha256(content).hexdigest(), len(content))
    assert files(folder) == {f"{KEY}-1.png": content}


def test_an_answer_that_is_no_download_takes_no_file(folder, monkeypatch):
    _, taken = arriving(folder, monkeypatch, b"x" * 9000, limit=1500, status=404)
    assert (any(taken), files(folder)) == (False, {})


def test_a_second_try_of_a_download_removes_the_first(folder, monkeypatch):
    place, _ = arriving(folder, monkeypatch, b"x" * 9000, limit=1500)
    assert len(files(folder)) == 1
    place.begin(200, [])
    assert files(folder) == {}


def test_a_disk_that_takes_no_more_leaves_the_rest_to_memory(folder, monkeypatch):
    place, taken = arriving(folder, monkeypatch, b"x" * 4000, limit=1500)
    assert taken[-1]

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(large_pictures, "write_all", full)
    assert not place.add(b"y" * 1000)
    assert not place.add(b"z" * 1000)
    assert bytes(place.view()) == b"x" * 4000
    place.discard()
    assert files(folder) == {}
