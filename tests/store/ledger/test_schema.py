"""A ledger is opened, made, or refused as it stands."""

import shutil
import sqlite3
import stat
from contextlib import closing

import pytest

from batchgen.errors import ExitCode, LedgerDamaged
from batchgen.store.ledger.schema import APPLICATION_ID, MIGRATIONS, connect, connect_read_only, has_log


@pytest.fixture
def path(tmp_path):
    return tmp_path / "ledger.db"


def of_a_newer_version(path):
    connect(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 998}")


def killed_before_its_log_was_folded_in(path):
    """A newer ledger as SIGKILL leaves it: with its latest commits in the log beside it."""
    of_a_newer_version(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO facts VALUES ('of', 'tomorrow')")
        for suffix in ("", "-wal"):
            shutil.copy(f"{path}{suffix}", f"{path}.copy{suffix}")
    for suffix in ("", "-wal"):
        shutil.move(f"{path}.copy{suffix}", f"{path}{suffix}")


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


REFUSED = [of_a_newer_version, killed_before_its_log_was_folded_in, of_somebody_else, junk, cut_in_half]


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


def test_a_newer_ledger_says_that_batchgen_is_to_be_upgraded(path):
    of_a_newer_version(path)
    with pytest.raises(LedgerDamaged, match=r"newer batchgen .* Upgrade batchgen"):
        connect(path)


def test_a_new_ledger_is_ours_durable_and_private(path):
    with closing(connect(path)) as db:
        pragmas = [
            db.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("application_id", "user_version", "journal_mode", "synchronous", "foreign_keys")
        ]
    assert pragmas == [APPLICATION_ID, len(MIGRATIONS), "wal", 2, 1]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


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
    with pytest.raises(LedgerDamaged, match=rf"mv {path} {path}\.damaged.* rebuilds it from metadata\.jsonl"):
        connect(path)


def of_version(path, version):
    """A ledger with a picture in it, as a batchgen of that version left it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.executescript("; ".join(MIGRATIONS[:version]))
        db.executescript(f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {version}")
        db.execute(
            "INSERT INTO runs (id, started_ms, version, manifest, provider, base_url, planned, estimate_microusd)"
            " VALUES (1, 0, '0.1', '', '', '', 1, 0)"
        )
        db.execute(
            "INSERT INTO requests (id, key, state, position, row, repeat, provider, kind, model, canonical, columns,"
            " axes, stem, run_id, first_sent_ms) VALUES (1, 'a', 'stored', 0, 0, 1, '', 'image', '', '{}', '{}', '{}',"
            " '', 1, 0)"
        )
        db.execute(
            "INSERT INTO pictures (request_id, ordinal, file, sha256, bytes, format)"
            " VALUES (1, 1, 'images/a.png', '00', 1, 'png')"
        )


OLD = range(1, len(MIGRATIONS))
FILMS = "SELECT r.key, r.reused_from, p.file, p.duration_ms FROM requests r JOIN pictures p ON p.request_id = r.id"


@pytest.mark.parametrize("version", OLD)
def test_an_old_ledger_is_brought_up_to_date_with_all_it_holds(path, version):
    of_version(path, version)
    with closing(connect(path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert db.execute(FILMS).fetchall() == [("a", None, "images/a.png", None)]
        db.execute("UPDATE pictures SET duration_ms = 5000")
    with closing(connect(path)) as db:
        assert db.execute(FILMS).fetchall() == [("a", None, "images/a.png", 5000)]


@pytest.mark.parametrize("version", OLD)
def test_an_old_ledger_is_read_as_a_new_one_and_stays_as_it_is(path, version):
    of_version(path, version)
    before = path.read_bytes()
    with closing(connect_read_only(path)) as db:
        assert db.execute(FILMS).fetchall() == [("a", None, "images/a.png", None)]
        assert db.execute("PRAGMA user_version").fetchone() == (version,)
    assert path.read_bytes() == before
