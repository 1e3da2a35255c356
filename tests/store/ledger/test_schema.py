"""A ledger is opened, made, or refused as it stands."""

import os
import shutil
import sqlite3
import stat
from contextlib import closing

import pytest

from batchgen.errors import ExitCode, LedgerDamaged
from batchgen.store.ledger.schema import APPLICATION_ID, SCHEMA, VERSION, connect, connect_read_only, has_log


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def of_a_newer_version(path):
    connect(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION + 998}")


def killed_before_its_log_was_folded_in(path):
    """A newer ledger as SIGKILL leaves it: with its latest commits in the log beside it."""
    of_a_newer_version(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO facts VALUES ('of', 'tomorrow')")
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{path}.copy{suffix}")
    for suffix in ("", "-wal"):
        shutil.move(f"{path}.copy{suffix}", f"{path}{suffix}")


def of_an_older_version(path):
    connect(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {VERSION - 1}")


def of_the_first_version(path):
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);"
            "CREATE TABLE requests (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, spool TEXT);"
            f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1"
        )


def altered(statement):
    """A ledger of this version that somebody made otherwise, so that nothing holds it to its types."""

    def make(path):
        with closing(sqlite3.connect(path)) as db:
            tables = statement(SCHEMA)
            assert tables != SCHEMA
            db.executescript(f"{tables}; PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}")

    return make


without_types = altered(lambda schema: schema.replace(" STRICT", ""))
without_a_check = altered(lambda schema: schema.replace("state TEXT NOT NULL CHECK", "state TEXT CHECK"))
with_a_trigger = altered(
    lambda schema: f"{schema}; CREATE TRIGGER own AFTER INSERT ON requests BEGIN DELETE FROM requests; END"
)
with_another_table = altered(lambda schema: f"{schema}; CREATE TABLE own (a)")
without_its_view = altered(lambda schema: schema[: schema.index("CREATE VIEW")])
with_another_view = altered(lambda schema: schema.replace("FROM pictures p WHERE hidden = 0", "FROM pictures p"))


def of_somebody_else(path):
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE bookmarks (url)")


def junk(path):
    path.write_bytes(b"\x00\xffjunk" * 1000)


def cut_in_half(path):
    with closing(connect(path)) as db:
        db.execute("CREATE TABLE filler AS SELECT randomblob(100000)")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


REFUSED = [
    *(of_a_newer_version, killed_before_its_log_was_folded_in, of_an_older_version, of_the_first_version),
    *(without_types, without_a_check, with_a_trigger, with_another_table, without_its_view, with_another_view),
    *(of_somebody_else, junk, cut_in_half),
]


@pytest.mark.parametrize("opened", [connect, connect_read_only])
@pytest.mark.parametrize("made", REFUSED)
def test_a_file_that_is_no_ledger_of_ours_is_refused_and_keeps_every_byte(path, made, opened):
    made(path)
    before = path.read_bytes()
    with pytest.raises(LedgerDamaged) as refused:
        opened(path)
    assert refused.value.exit_code == ExitCode.DAMAGED
    assert str(path) in str(refused.value)
    assert "untouched" in str(refused.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (of_a_newer_version, rf"written by a newer batchgen \(ledger version {VERSION + 998}.* Use a newer batchgen"),
        (of_an_older_version, r"written by an older batchgen .* Use that batchgen, or a new folder: --out"),
        (of_the_first_version, r"written by an older batchgen \(ledger version 1, "),
        (with_a_trigger, "its tables are not those that batchgen makes"),
        (of_somebody_else, "it is not a ledger of batchgen"),
    ],
)
def test_a_refused_ledger_says_what_it_is_and_what_to_do(path, made, said):
    made(path)
    with pytest.raises(LedgerDamaged, match=said):
        connect(path)


def test_a_new_ledger_is_ours_durable(path):
    with closing(connect(path)) as db:
        pragmas = [
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == [APPLICATION_ID, VERSION, "wal", 2, 1]


@pytest.mark.parametrize(("umask", "rights"), [(0o000, 0o640), (0o022, 0o640), (0o027, 0o640), (0o077, 0o600)])
def test_a_ledger_and_its_log_are_the_group_s_to_read_if_the_umask_says_so_and_nobody_else_s(path, umask, rights):
    before = os.umask(umask)
    try:
        with closing(connect(path)) as db:
            db.execute("INSERT INTO facts VALUES ('a', 'b')")
            found = {stat.S_IMODE(file.stat().st_mode) for file in path.parent.glob("ledger.db*")}
    finally:
        os.umask(before)
    assert found == {rights}


def test_a_ledger_that_everybody_could_read_is_closed_to_others(path):
    connect(path).close()
    path.chmod(0o666)
    connect(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_empty_file_is_what_a_process_left_that_died_while_making_it(path):
    path.touch()
    with closing(connect(path)) as db:
        assert db.execute("SELECT count(*) FROM requests").fetchone() == (0,)


def test_commits_that_are_only_in_the_log_are_found_again(path):
    with closing(connect(path)) as db:
        db.execute("INSERT INTO facts VALUES ('a', 'b')")
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{path}.copy{suffix}")
    with closing(connect(path.with_name("ledger.db.copy"))) as db:
        assert db.execute("SELECT value FROM facts").fetchone() == ("b",)


def test_a_reader_takes_no_lock_and_can_change_nothing(path):
    with closing(connect(path)) as db, closing(connect_read_only(path)) as reader:
        db.execute("BEGIN IMMEDIATE")
        assert reader.execute("SELECT count(*) FROM requests").fetchone() == (0,)
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM requests")


def test_a_folder_without_a_ledger_says_so(path):
    with pytest.raises(LedgerDamaged, match="is this a run folder"):
        connect_read_only(path)
    assert not path.exists()


def test_a_file_system_without_shared_memory_gets_a_journal_that_is_as_durable(path, monkeypatch):
    opened = sqlite3.connect

    def without_shared_memory(place, **given):
        # One of SQLite's own file systems, which can do no log.
        return opened(f"file:{place}?vfs=unix-none", uri=True, **given)

    monkeypatch.setattr(sqlite3, "connect", without_shared_memory)
    with closing(connect(path)) as db:
        assert not has_log(db)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("delete",)
        assert db.execute("PRAGMA synchronous").fetchone() == (3,)
        db.execute("INSERT INTO facts VALUES ('a', 'b')")
    monkeypatch.undo()
    with closing(connect_read_only(path)) as db:
        assert db.execute("SELECT value FROM facts").fetchone() == ("b",)


def test_a_damaged_ledger_says_how_it_is_rebuilt(path):
    junk(path)
    with pytest.raises(LedgerDamaged, match=rf"mv {path} {path}\.damaged.* makes it anew from metadata\.jsonl"):
        connect(path)


NUMBERS = ("row", "repeat", "estimate_microusd", "first_sent_ms", "answered_ms", "retired_ms")


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 0.5, "many", b"1"])
@pytest.mark.parametrize("column", NUMBERS)
def test_a_number_of_the_ledger_is_an_integer(path, column, value):
    with closing(connect(path)) as db:
        db.execute("PRAGMA foreign_keys = OFF")
        given = dict.fromkeys(("key", "provider", "kind", "model", "canonical", "columns", "axes", "stem"), "a")
        given |= dict.fromkeys(("position", "row", "repeat", "run_id", "first_sent_ms"), 1) | {"state": "sent"}
        given[column] = value
        # SQLite has no NaN: it is NULL, which only optional numbers are.
        missing = value != value and column not in {"row", "repeat", "first_sent_ms"}
        statement = f"INSERT INTO requests ({', '.join(given)}) VALUES ({', '.join('?' * len(given))})"
        if missing:
            db.execute(statement, list(given.values()))
            assert db.execute(f"SELECT {column} FROM requests").fetchone() == (None,)
        else:
            with pytest.raises(sqlite3.IntegrityError):
                db.execute(statement, list(given.values()))


@pytest.mark.parametrize(("table", "column"), [("requests", "state"), ("attempts", "outcome"), ("names", "state")])
def test_a_state_is_one_of_those_we_know(path, table, column):
    with closing(connect(path)) as db:
        (made,) = db.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    assert f"{column} TEXT NOT NULL CHECK" in made
