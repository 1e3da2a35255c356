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
        book.folder.answers.mkdir()
        yield book, files


def found(folder, *, read_data=False):
    return [(one.difference, one.file) for one in verify(folder, read_data=read_data)]


def test_a_folder_as_it_should_be_has_no_difference(mugs):
    book, _ = mugs
    assert found(book.folder, read_data=True) == []
    assert count_pictures(book.folder) == 5


def original_of(book, file):
    """The file at rest that a name shows."""
    (original,) = book.db.execute(
        "SELECT p.original FROM names n JOIN pictures p ON p.request_id = n.request_id AND p.ordinal = n.ordinal"
        " WHERE n.file = ?",
        (file,),
    ).fetchone()
    return f".batchgen/pictures/{original}"


def put(path, content):
    """A file in the place of another one, as an editor writes it."""
    path.unlink()
    path.write_bytes(content)


def test_names_that_were_deleted_or_show_something_else_and_a_strange_file_are_each_told(mugs):
    book, files = mugs
    root = book.folder.root
    (root / files[0]).unlink()
    put(root / files[1], b"cut")
    (root / files[2]).unlink()
    (root / files[2]).symlink_to(root / files[3])
    (root / "images/mine.png").write_bytes(b"mine")
    assert found(book.folder) == [
        (Discrepancy.DELETED, files[0]),
        (Discrepancy.ALTERED, files[1]),
        (Discrepancy.DELETED, files[2]),
        (Discrepancy.FOREIGN, "images/mine.png"),
    ]


def test_pictures_at_rest_that_are_gone_cut_or_unknown_are_each_told(mugs):
    book, files = mugs
    root = book.folder.root
    gone, cut, link = (original_of(book, file) for file in files[:3])
    (root / gone).unlink()
    put(root / cut, b"cut")
    (root / link).unlink()
    (root / link).symlink_to(root / original_of(book, files[3]))
    unknown = f".batchgen/pictures/00/{0:032x}-1.png"
    (root / unknown).parent.mkdir(exist_ok=True)
    (root / unknown).write_bytes(b"of nobody")
    assert found(book.folder) == [
        (Discrepancy.MISSING, gone),
        (Discrepancy.ALTERED, cut),
        (Discrepancy.MISSING, link),
        (Discrepancy.FOREIGN, unknown),
    ]


def test_a_picture_of_the_same_size_is_found_only_by_reading_it(mugs):
    book, files = mugs
    path = book.folder.root / original_of(book, files[1])
    content = bytearray(path.read_bytes())
    content[40] ^= 1
    put(path, content)
    assert found(book.folder) == []
    assert found(book.folder, read_data=True) == [(Discrepancy.ALTERED, original_of(book, files[1]))]


def test_a_name_of_the_same_size_that_is_no_link_any_more_is_read(mugs):
    book, files = mugs
    path = book.folder.root / files[1]
    content = bytearray(path.read_bytes())
    put(path, content)
    assert found(book.folder) == []
    content[40] ^= 1
    put(path, content)
    assert found(book.folder) == [(Discrepancy.ALTERED, files[1])]


def test_an_answer_that_is_no_picture_yet_is_unfinished_and_what_lies_under_its_key_no_stranger(mugs):
    book, _ = mugs
    ticket = book.send(request := book.request("half done"))
    book.answer(ticket, Bill(4))
    shard = book.folder.pictures / request.key[:2]
    shard.mkdir(exist_ok=True)
    (shard / f"{request.key}-1.png").write_bytes(b"published and not recorded")
    (one,) = verify(book.folder, read_data=True)
    assert (one.difference, one.key) == (Discrepancy.UNFINISHED, request.key)
    assert "without paying" in one.message
    lost = f"{request.key}-{ticket.attempt_id}.body"
    book.db.execute("UPDATE requests SET body = NULL, answer = ? WHERE state = ?", (lost, State.ANSWERED))
    (one,) = verify(book.folder, read_data=True)
    assert "its body is gone" in one.message


def test_leftovers_are_litter_and_answers_that_are_needed_are_not(mugs):
    book, _ = mugs
    ticket = book.send(request := book.request("on its way"))
    (stored,) = book.db.execute("SELECT key FROM requests ORDER BY id LIMIT 1").fetchone()
    needed = f"{request.key}-{ticket.attempt_id}.body"
    unknown, stale = f"{0:032x}-99.body", f"{stored}-1.body"
    for name in (".a.part", "notes", needed, unknown, stale):
        (book.folder.answers / name).touch()
    (book.folder.images / "00000/.b.part").touch()
    assert set(found(book.folder)) == {
        (Discrepancy.LITTER, ".batchgen/answers/.a.part"),
        (Discrepancy.LITTER, ".batchgen/answers/notes"),
        (Discrepancy.LITTER, f".batchgen/answers/{stale}"),
        (Discrepancy.LITTER, "images/00000/.b.part"),
        (Discrepancy.FOREIGN, f".batchgen/answers/{unknown}"),
    }


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
