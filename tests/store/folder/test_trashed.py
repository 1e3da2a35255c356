"""What lies in the trash, by all its names, and the room it takes up."""

import pytest

from batchgen.store.folder import trash
from batchgen.store.folder.trashed import TrashSize, obstacles, read_trash, size_of_trash
from tests import ledgers


@pytest.fixture
def shelf(tmp_path):
    """A folder with a request of two pictures in the trash, and one of one picture that is not."""
    with ledgers.build(tmp_path / "out") as builder:
        builder.begin()
        first, second = builder.request("a mug"), builder.request("a cup")
        builder.store(first, kinds=("PNG", "WEBP"))
        builder.store(second)
        moves = trash.moves_to_trash(builder.db, [1], "trash/2026-03-01-020000")
        trash.lay(builder.folder, moves)
        trash.record_trash(builder.db, moves, successor=None, now_ms=builder.now_ms)
        names = trash.names_to_remove(builder.db)
        trash.remove_names(builder.folder, names)
        trash.record_removed(builder.db, names)
        yield builder


def test_a_request_is_told_with_its_pictures_and_where_they_stood(shelf):
    (one,) = read_trash(shelf.db)
    assert (one.prompt, len(one.pictures), one.trashed_ms) == ("a mug", 2, shelf.now_ms)
    assert [f"trash/2026-03-01-020000/{home}" for home in one.homes] == [picture.file for picture in one.pictures]
    assert obstacles(shelf.db, shelf.folder, [one]) == []


def test_it_is_called_by_any_of_its_names_and_by_no_other(shelf):
    (one,) = read_trash(shelf.db)
    home = one.homes[1]
    for name in (home, home.removeprefix("images/"), home.removesuffix(".webp"), one.key, one.key[:5]):
        assert one.is_called(name, shelf.folder), name
    for name in ("", "images", home[:-6], "a mug", one.key[1:]):
        assert not one.is_called(name, shelf.folder), name


def test_only_files_that_are_still_there_take_up_room(shelf):
    (one,) = read_trash(shelf.db)
    first, second = (shelf.folder.root / picture.file for picture in one.pictures)
    assert size_of_trash(shelf.db, shelf.folder) == TrashSize(2, first.stat().st_size + second.stat().st_size)
    first.unlink()
    assert size_of_trash(shelf.db, shelf.folder) == TrashSize(1, second.stat().st_size)
    assert "is no file there any more" in obstacles(shelf.db, shelf.folder, [one])[0]


def test_one_picture_of_two_in_the_way_is_enough(shelf):
    (one,) = read_trash(shelf.db)
    (shelf.folder.root / one.homes[1]).write_bytes(b"mine")
    (said,) = obstacles(shelf.db, shelf.folder, [one])
    assert said == f"{one.homes[1]} is taken by a file that the ledger does not know"
