"""Run folders that somebody else made: what they say is a stranger's word, and leads nowhere outside of them."""

import contextlib
import shutil
import sqlite3

import pytest

from tests.faults import pictures

REQUESTS = 3


@pytest.fixture
def stranger(shop):
    """A folder in which three requests were bought, with a manifest that asks for one more."""
    shop.write(REQUESTS)
    assert shop.run().code == 0
    shop.write(REQUESTS + 1)
    shop.reruns = False
    shop.forged = True
    shop.injected += 1
    return shop


@pytest.fixture
def victim(stranger):
    """A folder beside the run folder, with a file of its owner's; nothing may change there."""
    folder = stranger.root / "victim"
    folder.mkdir()
    (folder / "precious.txt").write_bytes(b"precious")
    (folder / "film.part").write_bytes(b"half a film")
    (folder / "7.unbilled").write_bytes(b"a letter")
    before = seen(folder)
    yield folder
    assert seen(folder) == before


def seen(folder):
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_ino, path.stat().st_mode)
        for path in folder.rglob("*")
        if path.is_file()
    }


def received(ledger):
    """A ledger that came from elsewhere is another file than the one that was written there."""
    copied = ledger.with_name("received")
    shutil.copyfile(ledger, copied)
    copied.replace(ledger)


def forge(shop, *statements):
    """Change the ledger as its tables allow it, and send it."""
    with contextlib.closing(sqlite3.connect(shop.out / ".batchgen/ledger.db")) as db, db:
        for statement in statements:
            db.execute(*statement) if isinstance(statement, tuple) else db.execute(statement)
    received(shop.out / ".batchgen/ledger.db")


def forge_unchecked(shop, table, statement):
    """Change a table as if it had no types and no checks, and leave no trace of that in what defines it."""
    path = shop.out / ".batchgen/ledger.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        ((before,),) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchall()
    loose = before.replace("STRICT, ", "").replace("STRICT", "").replace("NOT NULL", "")
    for sql, change in ((loose, None), (None, statement), (before, None)):
        with contextlib.closing(sqlite3.connect(path)) as db, db:
            db.execute("PRAGMA ignore_check_constraints = ON")
            if change is not None:
                db.execute(change)
            else:
                db.execute("PRAGMA writable_schema = ON")
                db.execute("UPDATE sqlite_master SET sql = ? WHERE name = ?", (sql, table))
    received(path)


def refused(shop, code, *words):
    """A run that ends with ``code`` before it buys anything."""
    ended = shop.run()
    assert ended.code == code, ended.err
    assert len(shop.posts()) == REQUESTS
    assert all(word in ended.err for word in words), ended.err


@pytest.mark.parametrize("command", [["verify", "--read-data"], ["restore"], ["report"]])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE names SET file = '../victim/precious.txt', state = 'leaving' WHERE request_id = 1",
        "UPDATE pictures SET original = '../../../victim/precious.txt' WHERE request_id = 1",
    ],
)
def test_no_command_follows_what_a_stranger_s_ledger_says(stranger, victim, command, statement):
    forge(stranger, statement)
    ended = stranger.run(*command[1:], command=command[0])
    assert ended.code == 6, ended.err


@pytest.mark.parametrize(
    ("file", "state"),
    [
        ("../victim/precious.txt", "leaving"),
        ("VICTIM/precious.txt", "leaving"),
        ("images/../../victim/precious.txt", "wanted"),
        ("../victim/precious.txt", "made"),
    ],
)
def test_a_name_that_leads_out_of_the_folder_is_refused_and_nothing_there_is_touched(stranger, victim, file, state):
    file = file.replace("VICTIM", str(victim))
    ((original,),) = stranger.rows("SELECT original FROM pictures WHERE request_id = 1")
    inode = (victim / "precious.txt").stat().st_ino
    forge(stranger, ("INSERT INTO names VALUES (?, 1, 1, 77, ?, ?, ?)", (file, state, original, inode)))
    refused(stranger, 6, "names")


@pytest.mark.parametrize(("original", "state"), [("../../../victim/precious.txt", "made"), ("/etc/hostname", "wanted")])
def test_a_picture_that_does_not_lie_under_its_key_is_refused(stranger, victim, original, state):
    forge(
        stranger,
        ("UPDATE pictures SET original = ? WHERE request_id = 1", (original,)),
        ("UPDATE names SET state = ?, held = ? WHERE request_id = 1", (state, original)),
    )
    refused(stranger, 6)


@pytest.mark.parametrize("answer", ["../../victim/precious.txt", "/etc/hostname"])
def test_an_answer_that_does_not_lie_under_its_key_is_refused(stranger, victim, answer):
    forge(stranger, ("UPDATE requests SET state = 'answered', answer = ?, body = NULL WHERE id = 1", (answer,)))
    refused(stranger, 6)


@pytest.mark.parametrize("stem", ["../victim/precious", "/tmp/precious", "images/../../victim/precious"])
def test_a_stem_that_leads_out_of_the_folder_touches_nothing_there(stranger, victim, stem):
    forge(stranger, ("UPDATE requests SET stem = ?", (stem,)), "DELETE FROM facts WHERE name <> 'simulated'")
    for options in ([], ["--prune"]):
        assert stranger.run(*options).code in {0, 3, 6}
    assert len(stranger.posts()) <= REQUESTS + 1


FOLDERS = [".batchgen", ".batchgen/answers", ".batchgen/pictures", ".batchgen/pictures/*", "images", "images/00000"]


@pytest.mark.parametrize("place", FOLDERS)
@pytest.mark.parametrize("empty", [True, False], ids=["to the victim", "to a copy"])
def test_a_link_in_the_place_of_a_folder_is_refused_before_anything_is_bought(stranger, victim, place, empty):
    place = min(stranger.out.glob(place))
    target = victim
    if not empty:
        target = victim / "copied"
        shutil.copytree(place, target)
    shutil.rmtree(place)
    place.symlink_to(target)
    before = seen(victim)
    ended = stranger.run()
    assert ended.code == 2, ended.err
    assert str(place.relative_to(stranger.root)) in ended.err
    assert "--out" in ended.err
    assert len(stranger.posts()) == REQUESTS
    assert seen(victim) == before
    if not empty:
        shutil.rmtree(target)


@pytest.mark.parametrize("place", [".batchgen/ledger.db", ".batchgen/lock", "metadata.jsonl", "summary.json"])
def test_a_link_in_the_place_of_a_file_is_refused_before_anything_is_bought(stranger, victim, place):
    (stranger.out / place).unlink(missing_ok=True)
    (stranger.out / place).symlink_to(victim / "precious.txt")
    ended = stranger.run()
    assert ended.code == 2, ended.err
    assert f"{stranger.out.name}/{place}" in ended.err
    assert len(stranger.posts()) == REQUESTS


@pytest.mark.parametrize("suffix", [".body", ".unbilled"])
def test_an_answer_that_is_a_link_is_refused_before_anything_is_bought(stranger, victim, suffix):
    forge(
        stranger,
        "UPDATE requests SET state = 'sent' WHERE id = 1",
        "UPDATE attempts SET outcome = 'sent' WHERE request_id = 1",
    )
    ((key,),) = stranger.rows("SELECT key FROM requests WHERE id = 1")
    link = stranger.out / f".batchgen/answers/{key}-1{suffix}"
    link.symlink_to(victim / "precious.txt")
    refused(stranger, 2, link.name)


@pytest.mark.parametrize("marked", [True, False], ids=["in step", "looked through"])
def test_a_picture_that_is_a_link_is_never_read_for_what_was_bought(stranger, victim, marked):
    if not marked:
        (stranger.out / ".batchgen/pictures/mark").unlink()
    (victim / "private.png").write_bytes(pictures.png("private"))
    picture, *_ = stranger.at_rest()
    (name,) = (path for path in stranger.published() if path.samefile(picture))
    for path in (picture, name):
        path.unlink()
    picture.symlink_to(victim / "private.png")
    stranger.lost = {picture.relative_to(stranger.out / ".batchgen/pictures").as_posix()}
    before = (victim / "private.png").read_bytes(), (victim / "private.png").stat().st_mode
    for options in ([], ["--retry", "missing"]):
        stranger.run(*options)
    stranger.run(command="restore")
    assert ((victim / "private.png").read_bytes(), (victim / "private.png").stat().st_mode) == before
    assert not any(path.read_bytes() == before[0] for path in stranger.published())
    assert max(stranger.accepted().values()) == 1
    picture.unlink()
    (victim / "private.png").unlink()


UNCHECKED = [
    ("requests", "UPDATE requests SET state = 'bought' WHERE id = 2"),
    ("requests", "UPDATE requests SET canonical = x'ff00' WHERE id = 2"),
    ("attempts", "UPDATE attempts SET billed_microusd = 'NaN' WHERE id = 2"),
    ("attempts", "UPDATE attempts SET maybe_microusd = -9e999 WHERE id = 2"),
    ("names", "UPDATE names SET inode = 'none' WHERE request_id = 2"),
    ("runs", "UPDATE runs SET started_ms = 'NaN'"),
]


@pytest.mark.parametrize(("table", "statement"), UNCHECKED, ids=[statement for _, statement in UNCHECKED])
def test_a_value_of_another_type_than_its_column_is_a_damaged_ledger_and_no_crash(stranger, table, statement):
    forge_unchecked(stranger, table, statement)
    refused(stranger, 6)


TEXTS = [
    "UPDATE requests SET columns = '{' WHERE id = 2",
    "UPDATE requests SET message = CAST(x'ff' AS TEXT) WHERE id = 2",
    "UPDATE attempts SET billed_microusd = -5 WHERE id = 2",
]


@pytest.mark.parametrize("statement", TEXTS)
def test_a_text_that_is_not_what_batchgen_writes_is_a_damaged_ledger_and_no_crash(stranger, statement):
    forge(stranger, statement)
    refused(stranger, 6)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER bought AFTER UPDATE ON requests BEGIN DELETE FROM pictures; END",
        "PRAGMA user_version = 3",
    ],
)
def test_a_ledger_with_other_tables_than_ours_is_refused(stranger, statement):
    forge(stranger, statement)
    refused(stranger, 6)
