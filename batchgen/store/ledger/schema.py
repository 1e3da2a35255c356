"""The tables of the ledger, their version, and the way a ledger file is opened.

Each version of the tables is one entry of ``MIGRATIONS``; a ledger from a newer batchgen is refused and left as it is.
"""

from __future__ import annotations

import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from batchgen.errors import LedgerDamaged
from batchgen.store.folder.run_folder import NotWritable

# "bgen" as a big-endian integer: tells our ledger from any other SQLite file.
APPLICATION_ID = 0x6267656E

_VERSION_1 = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    version TEXT NOT NULL,
    manifest TEXT NOT NULL,
    provider TEXT NOT NULL,
    base_url TEXT NOT NULL,
    planned INTEGER NOT NULL,
    estimate_microusd INTEGER NOT NULL,
    exit_code INTEGER,
    reason TEXT
);

CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,
    position INTEGER NOT NULL,
    row INTEGER NOT NULL,
    repeat INTEGER NOT NULL,
    provider TEXT NOT NULL,
    kind TEXT NOT NULL,
    model TEXT NOT NULL,
    canonical TEXT NOT NULL,
    columns TEXT NOT NULL,
    axes TEXT NOT NULL,
    stem TEXT NOT NULL,
    estimate_microusd INTEGER,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    first_sent_ms INTEGER NOT NULL,
    answered_ms INTEGER,
    ended_ms INTEGER,
    not_before_ms INTEGER,
    body BLOB,
    spool TEXT,
    latency_ms INTEGER,
    downloads INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    message TEXT,
    status INTEGER
);
CREATE INDEX requests_unfinished ON requests (state) WHERE state <> 'stored';

CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    request_id INTEGER NOT NULL REFERENCES requests (id),
    run_id INTEGER NOT NULL REFERENCES runs (id),
    ordinal INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    sent_ms INTEGER NOT NULL,
    duration_ms INTEGER,
    reserved_microusd INTEGER NOT NULL,
    billed_microusd INTEGER NOT NULL DEFAULT 0,
    maybe_microusd INTEGER NOT NULL DEFAULT 0,
    estimated_microusd INTEGER NOT NULL DEFAULT 0,
    cost_flag TEXT,
    status INTEGER,
    reason TEXT,
    message TEXT
);
CREATE INDEX attempts_of_request ON attempts (request_id);
CREATE INDEX attempts_open ON attempts (outcome) WHERE outcome = 'sent';

CREATE TABLE pictures (
    request_id INTEGER NOT NULL REFERENCES requests (id),
    ordinal INTEGER NOT NULL,
    file TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    revised_prompt TEXT,
    PRIMARY KEY (request_id, ordinal)
) WITHOUT ROWID;
"""

# `trashed_ms`: the request's pictures lie in the trash; `home` is where each stood before. `leaving` holds names that
# are still on disk though their picture has moved; where a `successor` is named, the name stays until that request is
# stored. `orphans` is what a run found of them, as JSON.
_VERSION_2 = """
ALTER TABLE requests ADD COLUMN trashed_ms INTEGER;
CREATE INDEX requests_trashed ON requests (key) WHERE trashed_ms IS NOT NULL;
ALTER TABLE pictures ADD COLUMN home TEXT;
ALTER TABLE runs ADD COLUMN orphans TEXT;
CREATE TABLE leaving (file TEXT PRIMARY KEY, moved_to TEXT NOT NULL, successor TEXT) WITHOUT ROWID;
"""

# `reused_from`: the run folder a request's pictures were linked from; nothing was sent for it here.
_VERSION_3 = """
ALTER TABLE requests ADD COLUMN reused_from TEXT;
ALTER TABLE pictures ADD COLUMN duration_ms INTEGER;
"""

MIGRATIONS = (_VERSION_1, _VERSION_2, _VERSION_3)

# What a ledger of an older version lacks, for those who only read it: it is not changed for them.
_AS_NEW = {
    1: """
CREATE TEMP VIEW requests AS SELECT *, NULL AS trashed_ms, NULL AS reused_from FROM main.requests;
CREATE TEMP VIEW pictures AS SELECT *, NULL AS home, NULL AS duration_ms FROM main.pictures;
CREATE TEMP VIEW runs AS SELECT *, NULL AS orphans FROM main.runs;
CREATE TEMP VIEW leaving AS SELECT NULL AS file, NULL AS moved_to, NULL AS successor WHERE 0;
""",
    2: """
CREATE TEMP VIEW requests AS SELECT *, NULL AS reused_from FROM main.requests;
CREATE TEMP VIEW pictures AS SELECT *, NULL AS duration_ms FROM main.pictures;
""",
}


def connect(path: Path) -> sqlite3.Connection:
    """The ledger at ``path``, made or brought up to date, durable at every commit.

    Raises :class:`LedgerDamaged`, and :class:`NotWritable` where it is the disk that gives in.
    Where the file system can't do a write-ahead log, each commit goes through a journal that is deleted: slower, as
    durable, and :func:`has_log` tells.
    """
    if path.exists() and path.stat().st_size:
        # Looked at read-only first: closing a writable connection would fold a foreign file's log into it.
        connect_read_only(path).close()
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        with translated(path):
            path.chmod(0o600)
            _choose_journal(db)
            db.execute("PRAGMA foreign_keys = ON")
            _migrate(db)
    except (LedgerDamaged, NotWritable):
        db.close()
        raise
    return db


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Errors while the ledger at ``path`` is opened, as ours: :class:`NotWritable` or :class:`LedgerDamaged`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_ERRORS:
            raise NotWritable(f"{path}: the ledger can't be written: {error}. Nothing was sent.") from error
        raise damaged(path, str(error)) from error


# What says nothing of the ledger itself, by its primary code: the disk is full, failing or read-only.
_DISK_ERRORS = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY})


def has_log(db: sqlite3.Connection) -> bool:
    """Whether commits go to a write-ahead log, so that readers and the writer never wait for each other."""
    return bool(db.execute("PRAGMA journal_mode").fetchone() == ("wal",))


def _choose_journal(db: sqlite3.Connection) -> None:
    try:
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        # The memory that a log's readers share can't be had here: some network and FUSE file systems.
        if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_PROTOCOL}:
            raise
        mode = "none"
    if mode == "wal":
        db.execute("PRAGMA synchronous = FULL")
        return
    db.execute("PRAGMA journal_mode = DELETE")
    # One more than FULL: the journal's removal is the commit, and must itself survive a power cut.
    db.execute("PRAGMA synchronous = EXTRA")
    # Without a log, whoever reads for long makes the writer wait.
    db.execute("PRAGMA busy_timeout = 60000")


def connect_read_only(path: Path) -> sqlite3.Connection:
    """The ledger for reading beside a running batchgen: takes no lock and changes nothing."""
    if not path.is_file():
        raise LedgerDamaged(f"{path}: there is no ledger here; is this a run folder?")
    address = f"{path.absolute().as_uri()}?mode=ro"
    try:
        db = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error
    try:
        _refuse_foreign(db, path)
        _show_as_new(db)
    except sqlite3.DatabaseError as error:
        db.close()
        raise damaged(path, str(error)) from error
    except LedgerDamaged:
        db.close()
        raise
    return db


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application == version == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone():
        # Its making was broken off before the first table: nothing was ever recorded in it.
        return
    if application != APPLICATION_ID:
        raise damaged(path, "it is not a ledger of batchgen")
    if version > len(MIGRATIONS):
        raise LedgerDamaged(
            f"{path}: written by a newer batchgen (ledger version {version}, this one reads up to "
            f"{len(MIGRATIONS)}); it was left untouched. Upgrade batchgen to go on."
        )


def _show_as_new(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if views := _AS_NEW.get(version):
        db.executescript(views)


def _migrate(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    for number, statements in enumerate(MIGRATIONS[version:], version + 1):
        with closing(db.cursor()) as cursor:
            cursor.executescript(
                f"BEGIN IMMEDIATE; {statements}; PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {number}; COMMIT"
            )


def damaged(path: Path, why: str) -> LedgerDamaged:
    """The error for a ledger that can't be read, with what to do about it."""
    return LedgerDamaged(
        f"{path}: the ledger can't be read ({why}). It was left untouched and nothing was sent. The pictures beside it "
        f"are safe: restore the ledger from a backup, or move it away (mv {shlex.quote(str(path))} "
        f"{shlex.quote(f'{path}.damaged')}) and run again, which rebuilds it from metadata.jsonl and the pictures."
    )
