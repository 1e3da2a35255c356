"""Makes a new ledger of what a lost one left behind: metadata.jsonl, failures.jsonl and the pictures themselves.

Without it a run would buy everything again. Each picture is read and compared with the digest in its line; what was
paid for and is not there any more becomes *spoiled*, so that only a person can say that it is bought again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from batchgen.errors import UsageError
from batchgen.money import MICROUSD
from batchgen.request import DELIVERY, PARAMETERS, Input, Kind, Request, State, canonical_json, key_of
from batchgen.store import changes
from batchgen.store.changes import Bill, Ending, StoredPicture, Ticket
from batchgen.store.dataset import AFTER_WORDS, BEFORE_WORDS
from batchgen.store.files import sha256_of, sync_folder
from batchgen.store.folder import NotWritable, RunFolder
from batchgen.store.formats import Format, NotAPicture, inspect
from batchgen.store.ledger import now_ms
from batchgen.store.schema import connect
from batchgen.store.trash import MOVED, remember_home

# What reading a line raises that no ledger has written.
_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)

OF_THE_LOST = ".of-the-lost-ledger"
_METADATA = "metadata.jsonl"
_FAILURES = "failures.jsonl"


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What came back. ``named`` pictures were found by their names alone, so nobody knows what they cost; ``lost``
    ones are in a line and not on disk; ``unmatched`` files and lines belong to no request.
    """

    stored: int
    named: int
    lost: int
    failures: int
    unmatched: int

    def __str__(self) -> str:
        said = [f"{self.stored:,} requests stored"]
        if self.named:
            said.append(f"{self.named:,} of them known by their pictures' names alone, without their costs")
        if self.lost:
            said.append(f"{self.lost:,} paid for whose pictures are gone or altered (--retry spoiled buys them again)")
        if self.failures:
            said.append(f"{self.failures:,} that ended otherwise")
        if self.unmatched:
            said.append(f"{self.unmatched:,} files or lines that belong to no request")
        return ", ".join(said)


def is_lost(folder: RunFolder) -> bool:
    """Whether a run has been here and its ledger is gone. A ledger that is there, but damaged, is not lost."""
    if folder.ledger.is_file() and folder.ledger.stat().st_size:
        return False
    lines = (folder.root / name for name in (_METADATA, _FAILURES, *_trash_lists(folder)))
    return any(path.is_file() and path.stat().st_size for path in lines) or any(_files(folder))


def remembered(folder: RunFolder) -> Callable[[Iterable[str]], Mapping[str, State]]:
    """Looks up the states of keys as :func:`rebuild` would bring them back; changes nothing."""
    stored = (_METADATA, *_trash_lists(folder))
    states = {line["key"]: State.STORED for name in stored for line in _lines(folder.root / name) if line}
    for line in _lines(folder.root / _FAILURES):
        if line and line.get("state") in _STATES:
            states[line["key"]] = State(line["state"])

    def lookup(keys: Iterable[str]) -> Mapping[str, State]:
        return {key: states[key] for key in keys if key in states}

    return lookup


_STATES = frozenset(State)


def rebuild(folder: RunFolder, plan: Iterable[tuple[Request, str]], *, confirmed: bool) -> Rebuilt:
    """Puts a new ledger in place, whole or not at all. ``plan`` gives its requests with their pictures' stems.

    Raises :class:`UsageError` where files or lines belong to no request and the caller has not ``confirmed`` that
    what they may have been is bought again, and :class:`NotWritable`. Reads every picture: for a thread.
    """
    temporary = folder.state / "rebuilding.db"
    _remove(temporary)
    try:
        with closing(connect(temporary)) as db:
            db.execute("BEGIN IMMEDIATE")
            rebuilt = _Rebuilding(folder, db).run(plan, confirmed=confirmed)
            db.execute("COMMIT")
            # All of it into the one file that is moved; closing would leave behind what the disk has no room for.
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        _set_aside_logs(folder.ledger)
        temporary.replace(folder.ledger)
        sync_folder(folder.state)
    except (sqlite3.OperationalError, OSError) as error:
        raise NotWritable(f"{folder.root}: its ledger is lost and can't be rebuilt: {error}") from error
    finally:
        _remove(temporary)
    return rebuilt


def set_aside_bodies(folder: RunFolder) -> list[Path]:
    """The spooled answers that a lost ledger leaves, where no attempt of a new one can be taken for theirs.

    The numbers in their names were the lost ledger's; a new one counts from 1 again.
    """
    if folder.ledger.is_file() and folder.ledger.stat().st_size:
        return []
    old = [path for path in folder.spool.iterdir() if path.suffix in {".body", ".unbilled"}]
    kept = [path.replace(path.with_name(f"{path.name}{OF_THE_LOST}")) for path in old]
    return [path for path in kept if ".body" in path.suffixes]


class _Rebuilding:
    def __init__(self, folder: RunFolder, db: sqlite3.Connection) -> None:
        self._folder = folder
        self._db = db
        self._now_ms = now_ms()
        self._run_id = 0
        self._position = 0
        self._lost_files: set[str] = set()
        self._stored = self._named = self._lost = self._failures = self._unmatched = 0

    def run(self, plan: Iterable[tuple[Request, str]], *, confirmed: bool) -> Rebuilt:
        self._run_id = changes.begin_run(
            self._db,
            now_ms=self._now_ms,
            version="rebuilt",
            manifest=_METADATA,
            provider="",
            base_url="",
            planned=0,
            estimate_microusd=0,
        )
        for _, lines in groupby(self._lines(_METADATA), key=lambda line: line.get("key")):
            self._paid(list(lines))
        for moved in _trash_lists(self._folder):
            self._trashed(moved)
        for line in self._lines(_FAILURES):
            self._failed(line)
        left = {str(PurePosixPath(file).with_suffix("")): file for file in self._strangers()}
        for request, stem in plan:
            if not self._known(request, stem) and stem in left and stem.endswith(f"-{request.key[:8]}"):
                self._name(request, stem, left)
        self._unmatched += len(left)
        if self._unmatched and not confirmed:
            such = f", such as {next(iter(left.values()))}" if left else ""
            raise UsageError(
                f"{self._folder.root}: its ledger is lost, and {self._unmatched:,} files or lines there belong to no "
                f"request{such}. Move them away, or confirm with --yes that what they were may be bought again."
            )
        changes.end_run(self._db, run_id=self._run_id, now_ms=self._now_ms, exit_code=0, reason=None)
        return Rebuilt(self._stored, self._named, self._lost, self._failures, self._unmatched)

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        for line in _lines(self._folder.root / name):
            if line is None:
                self._unmatched += 1
            else:
                yield line

    def _paid(self, lines: list[dict[str, Any]]) -> None:
        first = lines[0]
        try:
            request = self._request(first, _words(first), _columns(first), {})
            pictures = [_picture(line) for line in lines]
            bill = _bill(lines)
            answered_ms = _moment(first.get("created_at")) or self._now_ms
        except _UNREADABLE:
            self._unmatched += len(lines)
            return
        begun_ms = answered_ms - (first.get("request_ms") or 0)
        stem = str(PurePosixPath(pictures[0].file).with_suffix(""))
        if isinstance(first.get("reused_from"), str) and all(map(self._holds, pictures)):
            self._reused(request, stem, pictures, first["reused_from"], answered_ms)
            return
        ticket = self._ticket(request, stem, begun_ms)
        if ticket is None:
            self._unmatched += len(lines)
            return
        self._answer(ticket, bill, first, answered_ms)
        good = [picture for picture in pictures if self._holds(picture)]
        self._lost_files |= {picture.file for picture in pictures} - {picture.file for picture in good}
        ended_ms = begun_ms + (first.get("total_ms") or 0)
        if good:
            changes.store(self._db, request_id=ticket.request_id, pictures=good, downloads=0, now_ms=ended_ms)
            self._stored += 1
        else:
            message = f"{pictures[0].file} was missing or altered when the ledger was rebuilt"
            self._spoil(ticket, message, ended_ms)

    def _reused(
        self, request: Request, stem: str, pictures: list[StoredPicture], reused_from: str, answered_ms: int
    ) -> None:
        recorded = changes.reuse(
            self._db,
            request=request,
            stem=stem,
            run_id=self._run_id,
            pictures=pictures,
            reused_from=reused_from,
            answered_ms=answered_ms,
            now_ms=self._now_ms,
        )
        self._stored += recorded
        self._unmatched += 0 if recorded else len(pictures)

    def _trashed(self, moved: str) -> None:
        """What was moved to the trash was paid for as well, and comes back when it is wanted."""
        for _, group in groupby(self._lines(moved), key=lambda line: line.get("key")):
            lines = list(group)
            self._paid(lines)
            homes = {str(line.get("file_name")): str(line["was"]) for line in lines if line.get("was")}
            remember_home(self._db, homes, self._now_ms)

    def _failed(self, line: dict[str, Any]) -> None:
        try:
            state = State(line["state"])
            request = self._request(line, *(_words(line[name]) for name in ("parameters", "columns", "axes")))
            ending = Ending(
                state,
                str(line["class"]),
                str(line["message"]),
                line["status"],
                billed_microusd=_microusd(line["billed_usd"]),
                maybe_microusd=_microusd(line["maybe_billed_usd"]),
                estimated_microusd=_microusd(line["estimated_usd"]),
            )
            attempts = int(line["attempts"])
        except _UNREADABLE:
            self._unmatched += 1
            return
        ticket = self._ticket(request, "", self._now_ms)
        if ticket is None:
            self._unmatched += 1
            return
        changes.fail(self._db, ticket=ticket, ending=ending, duration_ms=None, now_ms=self._now_ms)
        if state is State.DOUBT and attempts > 1:
            # It may have been repeated before; counted as one doubt it would be repeated once more.
            again = self._ticket(request, "", self._now_ms)
            assert again is not None
            doubt = Ending(State.DOUBT, ending.reason, ending.message, ending.status)
            changes.fail(self._db, ticket=again, ending=doubt, duration_ms=None, now_ms=self._now_ms)
        self._failures += 1

    def _name(self, request: Request, stem: str, left: dict[str, str]) -> None:
        """A picture of no line whose name holds the beginning of its request's key."""
        file = left[stem]
        try:
            found = inspect((self._folder.root / file).read_bytes())
        except NotAPicture:
            return
        path = self._folder.root / file
        picture = StoredPicture(file, sha256_of(path), path.stat().st_size, found)
        ticket = self._ticket(request, stem, self._now_ms)
        assert ticket is not None
        self._answer(ticket, Bill(flag="not stated"), {}, self._now_ms)
        changes.store(self._db, request_id=ticket.request_id, pictures=[picture], downloads=0, now_ms=self._now_ms)
        del left[stem]
        self._stored += 1
        self._named += 1

    def _known(self, request: Request, stem: str) -> bool:
        """Gives a request that a line brought back what only the plan knows of it; tells whether there was one."""
        changed = self._db.execute(
            "UPDATE requests SET position = ?, row = ?, kind = ?, canonical = ?, columns = ?, axes = ?,"
            " stem = iif(stem = '', ?, stem) WHERE key = ?",
            (
                request.index,
                request.row,
                request.kind,
                request.canonical.decode(),
                _json(request.columns),
                _json(request.axes),
                stem,
                request.key,
            ),
        )
        return changed.rowcount > 0

    def _request(
        self, line: Mapping[str, Any], words: Mapping[str, str], columns: Mapping[str, str], axes: Mapping[str, str]
    ) -> Request:
        """The request of a line. Its canonical form is made anew; where the plan has the request, its own counts."""
        if line.get("simulated") is not None:
            self._db.execute("INSERT OR IGNORE INTO facts VALUES ('simulated', ?)", (str(int(line["simulated"])),))
        parameters = {name: words[name] for name in PARAMETERS if name in words and name not in DELIVERY}
        self._position += 1
        forms = {
            kind: canonical_json(
                provider=line["provider"],
                kind=kind,
                model=line["model"],
                parameters=parameters,
                image=tuple(Input("", digest) for digest in words.get("inputs", "").split()),
                mask=Input("", words["mask"]) if "mask" in words else None,
                repeat=int(line["repeat"]),
            )
            for kind in Kind
        }
        # A line does not say what was asked for; its key does.
        kind = next((kind for kind, form in forms.items() if key_of(form) == line["key"]), Kind.IMAGE)
        return Request(
            key=line["key"],
            canonical=forms[kind],
            provider=line["provider"],
            kind=kind,
            model=line["model"],
            parameters=parameters,
            repeat=int(line["repeat"]),
            index=self._position,
            row=int(line["row"]),
            columns=columns,
            axes=axes,
        )

    def _ticket(self, request: Request, stem: str, begun_ms: int) -> Ticket | None:
        return changes.intend(
            self._db,
            request=request,
            stem=stem,
            run_id=self._run_id,
            reserved_microusd=0,
            estimate_microusd=None,
            now_ms=begun_ms,
        )

    def _answer(self, ticket: Ticket, bill: Bill, line: Mapping[str, Any], answered_ms: int) -> None:
        changes.answer(
            self._db,
            ticket=ticket,
            bill=bill,
            body=None,
            spool=None,
            latency_ms=line.get("latency_ms"),
            duration_ms=line.get("request_ms"),
            now_ms=answered_ms,
        )

    def _spoil(self, ticket: Ticket, message: str, ended_ms: int) -> None:
        changes.spoil(
            self._db, request_id=ticket.request_id, reason="lost", message=message, downloads=0, now_ms=ended_ms
        )
        self._lost += 1

    def _holds(self, picture: StoredPicture) -> bool:
        """Whether the file is there, is nobody else's yet, and has the bytes its line says."""
        path = self._folder.root / picture.file
        if path.is_symlink() or not path.is_file() or path.stat().st_size != picture.bytes:
            return False
        if self._db.execute("SELECT 1 FROM pictures WHERE file = ?", (picture.file,)).fetchone():
            return False
        return sha256_of(path) == picture.sha256

    def _strangers(self) -> Iterator[str]:
        for file in _files(self._folder):
            recorded = self._db.execute("SELECT 1 FROM pictures WHERE file = ?", (file,)).fetchone()
            if not recorded and file not in self._lost_files:
                yield file


def _lines(path: Path) -> Iterator[dict[str, Any] | None]:
    """The lines of a derived file; ``None`` for one that has no key."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        for text in stream:
            try:
                line = msgspec.json.decode(text)
            except (msgspec.DecodeError, UnicodeDecodeError):
                line = None
            yield line if isinstance(line, dict) and isinstance(line.get("key"), str) else None


def _trash_lists(folder: RunFolder) -> list[str]:
    """The lists of what lies in the trash, by their names relative to the run folder."""
    return [path.relative_to(folder.root).as_posix() for path in sorted(folder.trash.glob(f"*/{MOVED}"))]


def _files(folder: RunFolder) -> Iterator[str]:
    """The files below ``images/``, by their names relative to the run folder; hidden ones are nobody's pictures."""
    for path in folder.images.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            yield path.relative_to(folder.root).as_posix()


def _words(line: Mapping[str, Any]) -> dict[str, str]:
    return {name: value for name, value in line.items() if isinstance(value, str)}


def _columns(line: Mapping[str, Any]) -> dict[str, str]:
    """What of a line is neither ours nor the request's; without the plan, nobody can tell columns from axes."""
    ours = {*BEFORE_WORDS, *AFTER_WORDS, *PARAMETERS, "inputs", "mask"}
    return {name: value for name, value in _words(line).items() if name not in ours}


def _picture(line: Mapping[str, Any]) -> StoredPicture:
    """The picture of a line. Raises :class:`ValueError` for a file outside ``images/`` and ``trash/``."""
    file = PurePosixPath(line["file_name"])
    if file.is_absolute() or ".." in file.parts or file.parts[:1] not in {("images",), ("trash",)}:
        raise ValueError(f"{file} is no picture of this folder")
    # Lines of before there were films state no length.
    duration_ms = line.get("duration_ms")
    found = Format(line["format"], file.suffix.removeprefix("."), line["width"], line["height"], duration_ms)
    return StoredPicture(str(file), line["sha256"], int(line["bytes"]), found, line["revised_prompt"])


def _bill(lines: Iterable[Mapping[str, Any]]) -> Bill:
    """What the pictures of one answer cost together: see :func:`batchgen.store.dataset.write_dataset`."""
    lines = list(lines)
    cost_microusd = sum(_microusd(line["cost_usd"]) for line in lines)
    if lines[0]["cost_source"] == "stated":
        return Bill(billed_microusd=cost_microusd)
    return Bill(estimated_microusd=cost_microusd, flag="not stated")


def _microusd(amount_usd: float | None) -> int:
    """An amount of a line, where it is one. Raises :class:`ValueError` for what no ledger could have written."""
    if amount_usd is None:
        return 0
    amount = round(float(amount_usd) * MICROUSD)
    if amount < 0:
        raise ValueError(f"{amount_usd} is no cost")
    return amount


def _moment(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _remove(ledger: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{ledger}{suffix}").unlink(missing_ok=True)


def _set_aside_logs(ledger: Path) -> None:
    """Keeps the logs of the lost ledger from being played into the new one."""
    for suffix in ("-wal", "-shm", "-journal"):
        log = Path(f"{ledger}{suffix}")
        if log.exists():
            log.replace(log.with_name(f"{log.name}{OF_THE_LOST}"))
