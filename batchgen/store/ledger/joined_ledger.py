"""Several ledgers as one, for reading: the parts of a plan that was run by several processes.

The ledgers stay as they are, also beside runs that go on. What they hold is copied into a ledger with the same tables,
so that whoever reads one reads several. A request that several of them know is one, and all that was paid for it
counts; runs at the same time are one run.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from batchgen.errors import ExitCode, StoppedEarly, UsageError
from batchgen.store.ledger.foreign import settle_in
from batchgen.store.ledger.plan_diff import SHOWN, Orphans
from batchgen.store.ledger.records import is_simulated
from batchgen.store.ledger.run_counts import RunCounts, read_counts, record_counts
from batchgen.store.ledger.schema import APPLICATION_ID, SCHEMA, VERSION, connect_read_only, read_only_address, reading
from batchgen.wording import printable


def join_ledgers(parts: Mapping[str, Path], into: Path) -> None:
    """Make the ledger ``into`` of those that are ``parts``; the names of each part's pictures begin with its prefix.

    Raise :class:`LedgerDamaged` for a ledger that can't be read, :class:`UsageError` if simulated results would be
    added to real ones, and :class:`StoppedEarly` if there is no room for it.
    """
    with closing(sqlite3.connect(f"{into.absolute().as_uri()}?mode=rwc", uri=True, isolation_level=None)) as db:
        # It lives as long as the command that reads it.
        db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_CACHE}; {SCHEMA}")
        db.execute("CREATE TEMP TABLE run_map (old INTEGER PRIMARY KEY, new INTEGER NOT NULL)")
        _write_runs(db, parts)
        # A request that is stored anywhere is stored: such rows come first, and others with their key are left out.
        for fill in (_add_stored, _add_others):
            for place, (prefix, path) in enumerate(parts.items()):
                with reading(path), _with_room(into), _attached(db, path):
                    fill(db, _Part(prefix, place, len(parts)))
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {VERSION}")
        settle_in(db, into)


@dataclass(frozen=True, slots=True)
class _Part:
    """One ledger of several: its rows get numbers that no other part uses, in the order that they have there."""

    prefix: str
    place: int
    parts: int

    @property
    def number(self) -> str:
        return f"* {self.parts} + {self.place}"


@contextmanager
def _attached(db: sqlite3.Connection, path: Path) -> Iterator[None]:
    """Attach a ledger for one transaction. After an error the joined ledger is of no use, and its connection closes."""
    db.execute("ATTACH ? AS part", (read_only_address(path),))
    db.execute("BEGIN")
    runs = db.execute("SELECT old, new FROM all_runs WHERE path = ?", (str(path),)).fetchall()
    db.execute("DELETE FROM run_map")
    db.executemany("INSERT INTO run_map VALUES (?, ?)", runs)
    yield
    db.execute("COMMIT")
    db.execute("DETACH part")


@contextmanager
def _with_room(into: Path) -> Iterator[None]:
    """Raise :class:`StoppedEarly` if the disk fills up that takes the joined ledger: no ledger is at fault."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
            raise
        raise StoppedEarly(
            f"{into.parent}: the disk is full; several ledgers read as one take as much room there as they have. Set "
            "TMPDIR to a folder on a larger disk"
        ) from error


def _add_stored(db: sqlite3.Connection, part: _Part) -> None:
    _add_requests(db, part, "AND t.state = 'stored'")


def _add_others(db: sqlite3.Connection, part: _Part) -> None:
    _add_requests(db, part, "")
    own = "JOIN part.requests r ON r.id = t.request_id JOIN requests own ON own.key = r.key AND own.take = r.take"
    mine = f"{own} AND own.id = r.id {part.number}"
    request = {"request_id": "own.id"}
    attempt = {**request, "id": f"t.id {part.number}", "run_id": "m.new"}
    _add_rows(db, "attempts", attempt, f"{own} JOIN run_map m ON m.old = t.run_id")
    for table in ("pictures", "other_takes"):
        _add_rows(db, table, request, mine)
    _add_rows(db, "names", {**request, "file": ":prefix || t.file"}, mine, {"prefix": part.prefix})
    db.execute("INSERT OR IGNORE INTO shares SELECT * FROM part.shares")
    db.execute("INSERT OR IGNORE INTO facts SELECT name, value FROM part.facts WHERE name = 'simulated'")


def _add_requests(db: sqlite3.Connection, part: _Part, which: str) -> None:
    # Answers that are no pictures yet are counted here, and read where they lie.
    given = {"id": f"t.id {part.number}", "run_id": "m.new", "body": "iif(t.body IS NULL, NULL, x'')"}
    _add_rows(db, "requests", given, f"JOIN run_map m ON m.old = t.run_id WHERE 1 {which}")


def _add_rows(
    db: sqlite3.Connection, table: str, given: Mapping[str, str], joins: str, values: Mapping[str, str] | None = None
) -> None:
    """Copy the rows of one part's table, as they are but for the columns that are ``given`` other values here."""
    names = [name for _, name, *_ in db.execute(f"PRAGMA table_info({table})")]
    columns = ", ".join(given.get(name, f"t.{name}") for name in names)
    db.execute(f"INSERT OR IGNORE INTO {table} SELECT {columns} FROM part.{table} t {joins}", values or {})  # noqa: S608 - names of our own tables


@dataclass(frozen=True, slots=True)
class _Run:
    """A run of one ledger, or several of them that went on at the same time.

    ``members`` are the ledgers' places with their own numbers of these runs; ``seen_ms`` is the last sign of life.
    """

    members: tuple[tuple[Path, int], ...]
    started_ms: int
    ended_ms: int | None
    seen_ms: int
    described: tuple[str, str, str, str]
    planned: Mapping[Path, int]
    estimate_microusd: int
    exit_code: int | None
    reasons: tuple[str, ...]

    def with_another(self, other: _Run) -> _Run:
        """Return the run that both are, since they overlap."""
        ended = self.ended_ms is not None and other.ended_ms is not None
        return replace(
            self,
            members=(*self.members, *other.members),
            ended_ms=max(self.ended_ms or 0, other.ended_ms or 0) if ended else None,
            seen_ms=max(self.seen_ms, other.seen_ms),
            # A part that was run again meanwhile is planned once.
            planned={**self.planned, **other.planned},
            estimate_microusd=self.estimate_microusd + other.estimate_microusd,
            exit_code=_worse(self.exit_code, other.exit_code) if ended else None,
            reasons=tuple(dict.fromkeys((*self.reasons, *other.reasons))),
        )


def _worse(one: int | None, other: int | None) -> int:
    """Return the worse of two exit codes, in the order of :class:`~batchgen.errors.ExitCode`."""
    return max(one or 0, other or 0, key=lambda code: _BY_HARM.index(code) if code in _BY_HARM else len(_BY_HARM))


_BY_HARM = (
    *(ExitCode.OK, ExitCode.FAILURES, ExitCode.DOUBT, ExitCode.STOPPED, ExitCode.TERMINATED, ExitCode.INTERRUPTED),
    *(ExitCode.USAGE, ExitCode.IN_USE, ExitCode.DAMAGED, ExitCode.BUG),
)


def _write_runs(db: sqlite3.Connection, parts: Mapping[str, Path]) -> None:
    """Write the runs, and to which of them those of each ledger belong; and what the newest one did."""
    db.execute("CREATE TEMP TABLE all_runs (path TEXT, old INTEGER, new INTEGER, PRIMARY KEY (path, old))")
    each: list[_Run] = []
    kinds: dict[bool, Path] = {}
    counts: dict[Path, RunCounts | None] = {}
    orphans: list[Orphans] = []
    for prefix, path in parts.items():
        with closing(connect_read_only(path)) as part, reading(path):
            if runs := list(_runs(part, path)):
                kinds.setdefault(is_simulated(part), path)
            each += runs
            counts[path] = read_counts(part)
            if found := part.execute(_ORPHANS).fetchone():
                orphans.append(_led_to(msgspec.json.decode(found[0], type=Orphans), prefix))
    _refuse_mixed(kinds)
    merged = _overlapping(each)
    for number, run in enumerate(merged, 1):
        db.execute(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)",
            (
                *(number, run.started_ms, run.ended_ms, *run.described, sum(run.planned.values())),
                *(run.estimate_microusd, run.exit_code, "; ".join(run.reasons) or None),
            ),
        )
        db.executemany("INSERT INTO all_runs VALUES (?, ?, ?)", [(str(path), old, number) for path, old in run.members])
    if merged:
        _write_newest(db, merged[-1], len(merged), counts)
        if orphans:
            db.execute("UPDATE runs SET orphans = ? WHERE id = ?", (_sum_of(orphans).to_json(), len(merged)))


def _runs(db: sqlite3.Connection, path: Path) -> Iterator[_Run]:
    for number, started_ms, ended_ms, seen_ms, *described, planned, estimate, exit_code, reason in db.execute(_RUNS):
        yield _Run(
            members=((path, number),),
            started_ms=started_ms,
            ended_ms=ended_ms,
            seen_ms=max(started_ms, ended_ms or seen_ms or 0),
            described=tuple(described),
            planned={path: planned},
            estimate_microusd=estimate,
            exit_code=exit_code,
            reasons=(reason,) if reason else (),
        )


def _overlapping(runs: Sequence[_Run]) -> list[_Run]:
    """Return the runs by their start, those that overlap as one."""
    merged: list[_Run] = []
    for run in sorted(runs, key=lambda run: run.started_ms):
        if merged and run.started_ms < merged[-1].seen_ms:
            merged[-1] = merged[-1].with_another(run)
        else:
            merged.append(run)
    return merged


def _write_newest(db: sqlite3.Connection, run: _Run, number: int, counts: Mapping[Path, RunCounts | None]) -> None:
    """Write what the newest run did, if each of its parts has come to its end."""
    newest = dict(sorted(run.members, key=lambda member: member[1]))
    found = [one for path, old in newest.items() if (one := counts[path]) is not None and one.run_id == old]
    if len(found) == len(newest):
        fields = [name for name in RunCounts.__struct_fields__ if name != "run_id"]
        sums = {name: sum(getattr(one, name) for one in found) for name in fields}
        record_counts(db, RunCounts(run_id=number, **sums))


def _led_to(orphans: Orphans, prefix: str) -> Orphans:
    first = (msgspec.structs.replace(one, file=f"{prefix}{one.file}" if one.file else None) for one in orphans.first)
    return msgspec.structs.replace(orphans, first=tuple(first))


def _sum_of(found: Sequence[Orphans]) -> Orphans:
    first = [orphan for one in found for orphan in one.first]
    return Orphans(sum(one.count for one in found), tuple(first[:SHOWN]), sum(one.kept for one in found))


def _refuse_mixed(kinds: Mapping[bool, Path]) -> None:
    if len(kinds) > 1:
        real, play = (printable(str(kinds[simulated].parent.parent)) for simulated in (False, True))
        raise UsageError(f"{play} holds simulated results and {real} real ones; they are never added up")


# Keys come in no order, so without room for their index every one of them reads and writes the disk.
_CACHE = "PRAGMA cache_size = -131072"

_ORPHANS = "SELECT orphans FROM runs WHERE orphans IS NOT NULL ORDER BY id DESC LIMIT 1"

_RUNS = """
SELECT id, started_ms, ended_ms, (SELECT max(sent_ms + coalesce(duration_ms, 0)) FROM attempts WHERE run_id = runs.id),
       version, manifest, provider, base_url, planned, estimate_microusd, exit_code, reason
FROM runs ORDER BY id
"""
