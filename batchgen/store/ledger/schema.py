"""The tables of the ledger, their version, and the way a ledger file is opened.

A ledger of another version, or with other tables than these, is refused and left as it is: a run folder may be a
stranger's, and what is read of it has the types that STRICT tables hold their values to.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path

import msgspec

from batchgen.errors import LedgerDamaged, NotWritable, UsageError
from batchgen.store.ledger.foreign import is_at_home, settle_in, strange_value

# "bgen" as a big-endian integer: tells our ledger from any other SQLite file.
APPLICATION_ID = 0x6267656E

# Raised with every change of the tables. Ledgers that were never released have no way up from older ones.
VERSION = 6

SCHEMA = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;

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
    reason TEXT,
    orphans TEXT
) STRICT;

-- `retired_ms`: no manifest asks for the request any more, and its names are taken away or it ended without a picture.
-- `discarded_ms`: its bytes were deleted because a person said so. `answer` is a file below answers/.
-- `price_source` says where the estimate comes from, `token_rates` what tokens cost, as JSON. `latency_ms` is stated by
-- the service, or the time of the request itself: `latency_source`. `take` is 1 but for another purchase of a stored
-- request that a person asked for: a row of its own until its pictures are stored, which makes it part of the first.
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    take INTEGER NOT NULL DEFAULT 1,
    state TEXT NOT NULL CHECK (
        state IN ('waiting', 'sent', 'answered', 'stored', 'refused', 'spoiled', 'in doubt')
    ),
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
    price_source TEXT,
    token_rates TEXT,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    first_sent_ms INTEGER NOT NULL,
    answered_ms INTEGER,
    ended_ms INTEGER,
    not_before_ms INTEGER,
    body BLOB,
    answer TEXT,
    latency_ms INTEGER,
    latency_source TEXT CHECK (latency_source IN ('service', 'request')),
    downloads INTEGER NOT NULL DEFAULT 0,
    reason TEXT,
    message TEXT,
    status INTEGER,
    reused_from TEXT,
    retired_ms INTEGER,
    discarded_ms INTEGER,
    UNIQUE (key, take)
) STRICT;
CREATE INDEX requests_unfinished ON requests (state) WHERE state <> 'stored';
CREATE INDEX requests_retired ON requests (key) WHERE retired_ms IS NOT NULL;

-- The second and further rows of a plan that ask for an equal request: bought once, named and listed for each of them.
CREATE TABLE shares (
    key TEXT NOT NULL,
    position INTEGER NOT NULL,
    row INTEGER NOT NULL,
    columns TEXT NOT NULL,
    axes TEXT NOT NULL,
    stem TEXT NOT NULL,
    PRIMARY KEY (key, position)
) STRICT, WITHOUT ROWID;

-- `cost_source` says what the cost was read or counted from, `cost_flag` what is odd about it. `usage` are the numbers
-- that a service stated of its tokens, as JSON. `take` is the take of the request that the attempt was for.
CREATE TABLE attempts (
    id INTEGER PRIMARY KEY,
    request_id INTEGER NOT NULL REFERENCES requests (id),
    take INTEGER NOT NULL DEFAULT 1,
    run_id INTEGER NOT NULL REFERENCES runs (id),
    ordinal INTEGER NOT NULL,
    outcome TEXT NOT NULL CHECK (outcome IN ('sent', 'billed', 'not billed', 'in doubt')),
    sent_ms INTEGER NOT NULL,
    duration_ms INTEGER,
    reserved_microusd INTEGER NOT NULL,
    billed_microusd INTEGER NOT NULL DEFAULT 0,
    maybe_microusd INTEGER NOT NULL DEFAULT 0,
    estimated_microusd INTEGER NOT NULL DEFAULT 0,
    cost_source TEXT,
    cost_flag TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    usage TEXT,
    status INTEGER,
    reason TEXT,
    message TEXT
) STRICT;
CREATE INDEX attempts_of_request ON attempts (request_id);
CREATE INDEX attempts_open ON attempts (outcome) WHERE outcome = 'sent';

-- The pictures that names are for: those of one `take` of each request. `original` is the file below pictures/, named
-- by the key. `hidden`: none of its names stands in images/ by now.
CREATE TABLE pictures (
    request_id INTEGER NOT NULL REFERENCES requests (id),
    ordinal INTEGER NOT NULL,
    original TEXT NOT NULL UNIQUE,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    duration_ms INTEGER,
    revised_prompt TEXT,
    take INTEGER NOT NULL DEFAULT 1,
    hidden INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (request_id, ordinal)
) STRICT, WITHOUT ROWID;

-- The pictures of the other takes, each with what its request says while that take is shown. Two takes may have one
-- file: a service may answer with the same bytes.
CREATE TABLE other_takes (
    request_id INTEGER NOT NULL REFERENCES requests (id),
    take INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    original TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    bytes INTEGER NOT NULL,
    format TEXT NOT NULL,
    width INTEGER,
    height INTEGER,
    duration_ms INTEGER,
    revised_prompt TEXT,
    first_sent_ms INTEGER NOT NULL,
    answered_ms INTEGER,
    ended_ms INTEGER,
    latency_ms INTEGER,
    latency_source TEXT,
    reused_from TEXT,
    message TEXT,
    PRIMARY KEY (request_id, take, ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX other_takes_by_original ON other_takes (original);

-- Every name below images/ that we made or are to make, and which picture it is for. `share` is the place in the plan
-- of the equal request it is named for, -1 for the first one. `held` and `inode` tell what we put there last.
-- A `rejected` name is to be taken away and known as deleted by hand: its picture's names all were.
CREATE TABLE names (
    file TEXT PRIMARY KEY,
    request_id INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    share INTEGER NOT NULL DEFAULT -1,
    state TEXT NOT NULL CHECK (state IN ('wanted', 'made', 'deleted', 'taken', 'leaving', 'rejected')),
    held TEXT,
    inode INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX names_of_picture ON names (request_id, ordinal, share);
CREATE INDEX names_unsettled ON names (file) WHERE state NOT IN ('made', 'deleted');
CREATE INDEX names_deleted ON names (file) WHERE state = 'deleted';

-- The one place that says which pictures a folder shows; `file` is the first of a picture's names.
CREATE VIEW kept_pictures AS
SELECT request_id, ordinal, original, sha256, bytes, format, width, height, duration_ms, revised_prompt, take,
       (SELECT file FROM names n WHERE n.request_id = p.request_id AND n.ordinal = p.ordinal
        AND n.state IN ('wanted', 'made') ORDER BY share LIMIT 1) AS file,
       (SELECT share FROM names n WHERE n.request_id = p.request_id AND n.ordinal = p.ordinal
        AND n.state IN ('wanted', 'made') ORDER BY share LIMIT 1) AS share
FROM pictures p WHERE hidden = 0;
"""


def connect(path: Path) -> sqlite3.Connection:
    """Return the ledger at ``path``, made if there is none, durable at every commit.

    Raises :class:`LedgerDamaged`, and :class:`NotWritable` if the disk fails.
    If the file system can't do a write-ahead log, each commit goes through a journal that is deleted: slower, as
    durable, and :func:`has_log` tells.
    """
    if path.exists() and path.stat().st_size:
        # Looked at read-only first: closing a writable connection would fold a foreign file's log into it.
        connect_read_only(path).close()
    _keep_from_others(path)
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    try:
        with translated(path):
            _choose_journal(db)
            db.execute("PRAGMA foreign_keys = ON")
            _make_tables(db)
            if not is_at_home(db, path):
                settle_in(db, path)
    except (LedgerDamaged, NotWritable):
        db.close()
        raise
    return db


def _keep_from_others(path: Path) -> None:
    """Make the file if there is none: for its owner, and for the group to read if the umask says so.

    SQLite gives the log beside it the same rights.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, _RIGHTS))
    rights = stat.S_IMODE(path.stat().st_mode)
    if rights & ~_RIGHTS:
        # File systems such as exFAT know no rights and refuse to change them.
        with suppress(OSError):
            path.chmod(rights & _RIGHTS)


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Raise errors of opening the ledger at ``path`` as ours: :class:`NotWritable` or :class:`LedgerDamaged`."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DISK_ERRORS:
            raise NotWritable(f"{path}: the ledger can't be written: {error}. Nothing was sent.") from error
        raise damaged(path, str(error)) from error


# Errors that say nothing of the ledger itself, by their primary codes: the disk is full, failing or read-only.
_DISK_ERRORS = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_BUSY})


def has_log(db: sqlite3.Connection) -> bool:
    """Return whether commits go to a write-ahead log, so that readers and the writer never wait for each other."""
    return bool(db.execute("PRAGMA journal_mode").fetchone() == ("wal",))


def _choose_journal(db: sqlite3.Connection) -> None:
    try:
        (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        # Some network and FUSE file systems can't provide the memory that a log's readers share.
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
    """Open the ledger for reading beside a running batchgen, without a lock and without a change.

    Raises :class:`LedgerDamaged`, and :class:`UsageError` if this account may not read it.
    """
    _refuse_unreadable(path)
    db = sqlite3.connect(read_only_address(path), uri=True, isolation_level=None, check_same_thread=False)
    try:
        _refuse_foreign(db, path)
    except sqlite3.DatabaseError as error:
        db.close()
        raise damaged(path, str(error)) from error
    except LedgerDamaged:
        db.close()
        raise
    return db


def read_only_address(path: Path) -> str:
    """Return the address under which SQLite reads the ledger. Raises :class:`UsageError` if its log can't be read."""
    address = f"{path.absolute().as_uri()}?mode=ro"
    if _opens(address):
        return address
    _refuse_hidden_log(path)
    # An account that may not make a log's index beside the ledger reads the file as it is.
    return f"{address}&immutable=1"


def _refuse_unreadable(path: Path) -> None:
    try:
        found = path.is_file()
    except PermissionError as error:
        raise UsageError(f"{error.filename}: {_NOT_YOURS}") from error
    if not found:
        raise LedgerDamaged(f"{path}: there is no ledger here; is this a run folder?")
    if not os.access(path, os.R_OK):
        raise UsageError(f"{path}: {_NOT_YOURS}")


def _opens(address: str) -> bool:
    """Return whether SQLite can open the file; other mistakes than that are left to those who read it."""
    try:
        with closing(sqlite3.connect(address, uri=True)) as db:
            db.execute("PRAGMA user_version").fetchone()
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF not in _CANT_WRITE_BESIDE
    except sqlite3.DatabaseError:
        return True
    return True


def _refuse_hidden_log(path: Path) -> None:
    """Raise :class:`UsageError` if what the ledger says stands in part in a log that this account can't use."""
    log = path.with_name(f"{path.name}-wal")
    if log.exists() and log.stat().st_size:
        raise UsageError(
            f"{log}: a run goes on, or was killed, and its log can't be read by this account, which may not write "
            f"beside it. Its owner's `batchgen status {shlex.quote(str(path.parent.parent))}` settles that"
        )


_RIGHTS = 0o640
_NOT_YOURS = (
    "this account may not read it. Its owner can let a group read a run folder: `chmod g+rx` for .batchgen, "
    "`chmod g+r` for the ledger in it, or a umask of 027 before the run"
)
# What SQLite says if it can't make the index of a log, which every reader of the log needs.
_CANT_WRITE_BESIDE = frozenset({sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY})


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Raise :class:`LedgerDamaged` for what the block can't read of the ledger at ``path``.

    A file that was damaged behind its first page opens all the same, and a text that is to be JSON may be anything.
    """
    try:
        yield
    except (sqlite3.DatabaseError, msgspec.MsgspecError, RecursionError) as error:
        raise damaged(path, str(error)) from error


def _refuse_foreign(db: sqlite3.Connection, path: Path) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    tables = _tables(db)
    if application == version == 0 and not tables:
        # The making of this ledger was broken off before the first table: it never recorded anything.
        return
    if application != APPLICATION_ID:
        raise damaged(path, "it is not a ledger of batchgen")
    if version != VERSION:
        whose, use = ("a newer", "a newer batchgen") if version > VERSION else ("an older", "that batchgen")
        raise LedgerDamaged(
            f"{path}: written by {whose} batchgen (ledger version {version}, this one reads version {VERSION}); it "
            f"was left untouched. Use {use}, or a new folder: --out"
        )
    if tables != _own_tables():
        raise damaged(path, "its tables are not those that batchgen makes")
    if not is_at_home(db, path) and (strange := strange_value(db)):
        raise damaged(path, strange)


def _tables(db: sqlite3.Connection) -> frozenset[tuple[str, str]]:
    """Return what defines the tables, views, indexes and triggers of a ledger."""
    return frozenset(db.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))


@cache
def _own_tables() -> frozenset[tuple[str, str]]:
    with closing(sqlite3.connect(":memory:")) as db:
        db.executescript(SCHEMA)
        return _tables(db)


def _make_tables(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version == 0:
        with closing(db.cursor()) as cursor:
            cursor.executescript(
                f"BEGIN IMMEDIATE; {SCHEMA}; PRAGMA application_id = {APPLICATION_ID}; "
                f"PRAGMA user_version = {VERSION}; COMMIT"
            )


def damaged(path: Path, why: str) -> LedgerDamaged:
    """Return the error for a ledger that can't be read, with what to do about it."""
    return LedgerDamaged(
        f"{path}: the ledger can't be read ({why}). It was left untouched and nothing was sent. The pictures beside it "
        f"are safe: restore the ledger from a backup, or move it away (mv {shlex.quote(str(path))} "
        f"{shlex.quote(f'{path}.damaged')}) and run again, which makes it anew from metadata.jsonl and the pictures."
    )
