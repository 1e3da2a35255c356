"""What a folder holds against what its ledger says."""

import pytest

from batchgen.commands.verify import Discrepancy, count_pictures, verify
from batchgen.errors import LedgerDamaged
from batchgen.request import State
from batchgen.store.ledger.transitions import Bill
from tests import ledgers


@pytest.fixture
def mugs(tmp_path):
    """A folder with five stored pictures; gives it and their files."""
    with ledgers.build(tmp_path / "mugs") as book:
        book.begin()
        files = [book.store(book.request(f"mug {number}"))[0] for number in range(5)]
        book.folder.spool.mkdir()
        yield book, files


def found(folder, *, read_data=False):
    return [(one.difference, one.file) for one in verify(folder, read_data=read_data)]


def test_a_folder_as_it_should_be_has_no_difference(mugs):
    book, _ = mugs
    assert found(book.folder, read_data=True) == []
    assert count_pictures(book.folder) == 5


def test_a_deleted_a_cut_and_a_strange_file_are_each_named(mugs):
    book, files = mugs
    root = book.folder.root
    (root / files[0]).unlink()
    (root / files[1]).write_bytes(b"cut")
    (root / files[2]).unlink()
    (root / files[2]).symlink_to(root / files[3])
    (root / "images/mine.png").write_bytes(b"mine")
    assert found(book.folder) == [
        (Discrepancy.MISSING, files[0]),
        (Discrepancy.ALTERED, files[1]),
        (Discrepancy.MISSING, files[2]),
        (Discrepancy.FOREIGN, "images/mine.png"),
    ]


def test_a_file_of_the_same_size_is_found_only_by_reading_it(mugs):
    book, files = mugs
    path = book.folder.root / files[1]
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    path.write_bytes(content)
    assert found(book.folder) == []
    assert found(book.folder, read_data=True) == [(Discrepancy.ALTERED, files[1])]


def test_an_answer_that_is_no_picture_yet_is_unfinished_and_its_file_no_stranger(mugs):
    book, _ = mugs
    ticket = book.send(request := book.request("half done"))
    book.answer(ticket, Bill(4))
    book.db.execute("UPDATE requests SET stem = 'images/00000/half' WHERE state = ?", (State.ANSWERED,))
    (book.folder.images / "00000/half.png").write_bytes(b"published and not recorded")
    (book.folder.images / "00000/half-2.png").write_bytes(b"its second picture")
    (one,) = verify(book.folder, read_data=True)
    assert (one.difference, one.key) == (Discrepancy.UNFINISHED, request.key)
    assert "without paying" in one.message
    book.db.execute("UPDATE requests SET body = NULL, spool = '1.body' WHERE state = ?", (State.ANSWERED,))
    (one,) = verify(book.folder, read_data=True)
    assert "its body is gone" in one.message


def test_leftovers_are_litter_and_bodies_that_are_needed_are_not(mugs):
    book, _ = mugs
    ticket = book.send(book.request("on its way"))
    names = (".a.part", "1.body", "99.body", "notes")
    for name in names:
        (book.folder.spool / name).touch()
    (book.folder.spool / f"{ticket.attempt_id}.body").touch()
    (book.folder.images / "00000/.b.part").touch()
    litter = {*(f".batchgen/spool/{name}" for name in names), "images/00000/.b.part"}
    assert set(found(book.folder)) == {(Discrepancy.LITTER, name) for name in litter}


def test_nothing_is_changed_and_no_lock_is_taken(mugs):
    book, files = mugs
    book.db.execute("BEGIN IMMEDIATE")
    (book.folder.root / files[0]).unlink()

    def everything():
        return {path: path.stat().st_mtime_ns for path in book.folder.root.rglob("*") if "ledger.db" not in path.name}

    before = everything()
    assert len(found(book.folder, read_data=True)) == 1
    assert everything() == before


def test_a_ledger_that_is_not_whole_is_damaged(mugs):
    book, _ = mugs
    book.db.close()
    content = bytearray(book.folder.ledger.read_bytes())
    content[8192:] = b"\xa5" * (len(content) - 8192)
    book.folder.ledger.write_bytes(content)
    with pytest.raises(LedgerDamaged):
        list(verify(book.folder, read_data=False))
