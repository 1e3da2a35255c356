"""Take what lies in a run folder and is missing from its ledger into that ledger, before anything is sent.

A ledger may be lost, restored from a backup of yesterday, or copied without its log. Pictures and answers lie under
their keys, and ``metadata.jsonl`` says what they cost; so whatever was bought is known again, and nothing is bought
twice. What a line says was paid and whose bytes are nowhere becomes *spoiled*: only a person can say that it is bought
again.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from msgspec import structs

from batchgen.errors import FolderMismatch, UsageError
from batchgen.request import Request, State, number_of
from batchgen.store.dataset.heal_takes import TakeHealing, has_lost_answer
from batchgen.store.dataset.healed import Find, Healed, StrayAnswer, Wanted
from batchgen.store.dataset.jsonl_reader import FailureLine, ListedPicture, PaidLines
from batchgen.store.dataset.leftovers import METADATA, Leftovers, is_plain_file, picture_files
from batchgen.store.dataset.mark import lists_are_newer, remember_strangers
from batchgen.store.folder.atomic import sha256_of, sync_folder, write_synced
from batchgen.store.folder.kept_answers import kept_answers, unbilled
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import stem_of
from batchgen.store.ledger import row_metadata, takes, transitions
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.records import is_simulated
from batchgen.store.ledger.transitions import Bill, Outcome, StoredPicture, Ticket
from batchgen.store.media.sniff import NotAPicture, inspect
from batchgen.store.pictures.found_in_bucket import FoundPicture
from batchgen.store.pictures.on_disk import READ_ONLY, make_shard, put_file
from batchgen.store.pictures.other_folders import Sources
from batchgen.store.pictures.receipt import Receipt
from batchgen.wording import counted

_ORIGINAL = re.compile(r"([0-9a-f]{32})-([1-9][0-9]*)\.[a-z0-9]+")
_OPAQUE = re.compile(r".*/\d{9,}-([0-9a-f]{8})\.[a-z0-9]+")


def heal(
    db: sqlite3.Connection,
    *,
    folder: RunFolder,
    find: Find,
    sources: Sources | None = None,
    in_bucket: Mapping[str, FoundPicture] | None = None,
    lost: bool,
    buys_missing: bool,
) -> Healed:
    """Record what the ledger lacks, as one change of the ledger. Every such picture is read.

    ``in_bucket`` are pictures there that the ledger lacks. What lies in one of the ``sources`` too was taken from there
    by a run that died, and cost nothing here.

    Raises :class:`UsageError` if the ledger is ``lost`` and files belong to no request, unless the caller
    ``buys_missing`` ones again.
    """
    healed = _Healing(folder, db, find, sources, in_bucket or {}).run(lost=lost)
    if lost and healed.unknown and not buys_missing:
        raise UsageError(
            f"{folder.root}: its ledger is lost, and {counted(len(healed.unknown), 'file or line', 'files or lines')} "
            f"there belong to no request, such as {healed.unknown[0]}. Move them away, or buy what they may have "
            "been once more: --retry missing"
        )
    return healed


class _Healing:
    def __init__(
        self,
        folder: RunFolder,
        db: sqlite3.Connection,
        find: Find,
        sources: Sources | None,
        in_bucket: Mapping[str, FoundPicture],
    ) -> None:
        self._in_bucket = in_bucket
        self._folder = folder
        self._db = db
        self._find = find
        self._sources = sources
        self._now_ms = now_ms()
        self._run_id = 0
        self._done = Healed()
        self._listed: dict[str, PaidLines] = {}
        self._takes = TakeHealing(db, folder, self._listed, self._done, run=self._run, now_ms=self._now_ms)
        # Then what a line shows was chosen after all that the ledger knows.
        self._newer = lists_are_newer(folder, db)

    def run(self, *, lost: bool) -> Healed:
        strays = self._strays()
        unnamed = {file for file in picture_files(self._folder) if not self._is_named(file)}
        leftovers = Leftovers(self._folder)
        for paid in leftovers.stored():
            self._paid(paid, strays, unnamed)
        found = self._asked({*strays, *self._loose_bodies()})
        for key, originals in strays.items():
            self._stray(key, originals, found.get(key))
        for key in self._listed.keys() - strays.keys() if self._newer else ():
            self._takes.choose(key)
        # What lies at rest has just been given its names back.
        unnamed = {file for file in unnamed if not self._is_named(file)}
        self._opaque(unnamed)
        for failed in leftovers.failed():
            self._failed(failed)
        self._bodies(found, lost=lost)
        unnamed = {file for file in unnamed if not self._is_named(file)}
        remember_strangers(self._db, [*unnamed])
        if lost:
            self._complete()
            self._done.unknown += self._unknown(unnamed)
            self._done.unknown += [f"a line of {METADATA}"] * leftovers.unreadable
        if self._run_id:
            # What came back gets the names that its rows give it.
            row_metadata.describe_anew(self._db)
            transitions.end_run(self._db, run_id=self._run_id, now_ms=self._now_ms, exit_code=0, reason=None)
        return self._done

    def _strays(self) -> dict[str, list[str]]:
        """Return the pictures at rest that the ledger does not know, by key, in the order of their numbers."""
        found: dict[str, list[tuple[int, str]]] = {}
        for shard in sorted(self._folder.pictures.iterdir()) if self._folder.pictures.is_dir() else ():
            if not shard.is_dir() or shard.is_symlink():
                continue
            first, last = f"{shard.name}/", f"{shard.name}0"
            known = {
                original
                for (original,) in self._db.execute(
                    "SELECT original FROM pictures WHERE original > ?1 AND original < ?2 UNION ALL"
                    " SELECT original FROM other_takes WHERE original > ?1 AND original < ?2",
                    (first, last),
                )
            }
            for entry in os.scandir(shard):
                parts = _ORIGINAL.fullmatch(entry.name)
                original = f"{shard.name}/{entry.name}"
                if parts is None or not parts[1].startswith(shard.name) or original in known:
                    continue
                if entry.is_file(follow_symlinks=False):
                    found.setdefault(parts[1], []).append((int(parts[2]), original))
        for original in self._in_bucket:
            parts = _ORIGINAL.fullmatch(original.rpartition("/")[2])
            assert parts is not None, "its listing was read so"
            found.setdefault(parts[1], []).append((int(parts[2]), original))
        return {key: [original for _, original in sorted(set(some))] for key, some in found.items()}

    def _paid(self, paid: PaidLines, strays: dict[str, list[str]], unnamed: set[str]) -> None:
        """Record a request of metadata.jsonl that the ledger does not know to be paid."""
        if paid.simulated is not None:
            self._refuse_other_money(simulated=paid.simulated)
        key = paid.request.key
        state = self._state(key)
        if state is State.STORED and (key in strays or (self._newer and paid.takes > 1)):
            self._listed[key] = paid
        if state in {State.STORED, State.ANSWERED, State.SPOILED}:
            unnamed -= {picture.file for picture in paid.pictures} if state is State.STORED else set()
            return
        good = [self._at_rest(picture, key, ordinal, strays) for ordinal, picture in enumerate(paid.pictures, 1)]
        pictures = [picture for picture in good if picture is not None]
        rest = [one for one in strays.pop(key, ()) if one not in {picture.original for picture in pictures}]
        if rest and len(pictures) == len(paid.pictures):
            strays[key], self._listed[key] = rest, paid
        unnamed -= {picture.file for picture in paid.pictures}
        # A line of a picture in a bucket names its key; the plan names the picture as soon as its row is described.
        file = paid.pictures[0].file
        stem = stem_of(file) if file.startswith("images/") else f"images/{key}"
        if paid.reused_from is not None and len(pictures) == len(paid.pictures):
            transitions.reuse(
                self._db,
                request=paid.request,
                stem=stem,
                run_id=self._run(),
                pictures=pictures,
                reused_from=paid.reused_from,
                answered_ms=paid.answered_ms or self._now_ms,
                now_ms=self._now_ms,
            )
            self._done.stored += 1
            return
        answered_ms = paid.answered_ms or self._now_ms
        begun_ms = answered_ms - (paid.request_ms or 0)
        request_id = self._billed(
            paid.request,
            stem,
            paid.bill,
            begun_ms,
            answered_ms,
            latency_ms=paid.latency_ms,
            duration_ms=paid.request_ms,
        )
        if pictures:
            self._store(request_id, pictures, begun_ms + (paid.total_ms or 0))
        else:
            message = f"{paid.pictures[0].file} was missing or altered when the ledger was brought up to its folder"
            transitions.lose(self._db, request_id=request_id, message=message, now_ms=self._now_ms)
            self._done.lost += 1

    def _refuse_other_money(self, *, simulated: bool) -> None:
        self._db.execute("INSERT OR IGNORE INTO facts VALUES ('simulated', ?)", (str(int(simulated)),))
        if is_simulated(self._db) != simulated:
            held, wanted = ("simulated", "real") if simulated else ("real", "simulated")
            raise FolderMismatch(
                f"{self._folder.root} holds {held} pictures, and this run makes {wanted} ones; they belong in a folder "
                f"of their own, such as --out {self._folder.root}-{wanted}"
            )

    def _at_rest(
        self, picture: ListedPicture, key: str, ordinal: int, strays: Mapping[str, Sequence[str]]
    ) -> StoredPicture | None:
        """Return the picture of a line as stored under its key, brought there from its name if need be."""
        for original in strays.get(key, ()):
            if there := self._in_bucket.get(original):
                if there.picture.sha256 == picture.sha256:
                    return replace(there.picture, revised_prompt=picture.revised_prompt)
                continue
            path = self._folder.original(original)
            if path.stat().st_size == picture.bytes and sha256_of(path) == picture.sha256:
                return StoredPicture(original, picture.sha256, picture.bytes, picture.format, picture.revised_prompt)
        path = self._folder.root / picture.file
        if not is_plain_file(path, self._folder) or path.stat().st_size != picture.bytes:
            return None
        if sha256_of(path) != picture.sha256:
            return None
        brought = self._brought(path, key, ordinal)
        return replace(brought, revised_prompt=picture.revised_prompt) if brought else None

    def _brought(self, path: Path, key: str, ordinal: int) -> StoredPicture | None:
        """Put what stands under a name at rest under its key; ``None`` if it is no picture."""
        try:
            found = inspect(path.read_bytes())
        except NotAPicture:
            return None
        shard = make_shard(self._folder, key)
        sha256 = sha256_of(path)

        def write() -> Path:
            return write_synced(shard, path.read_bytes(), mode=READ_ONLY)

        original = put_file(self._folder, key, ordinal, found, sha256, write)
        sync_folder(shard)
        return StoredPicture(original, sha256, path.stat().st_size, found)

    def _stray(self, key: str, originals: Sequence[str], asked: Wanted | None) -> None:
        """Record pictures under a key that no line tells of."""
        answers = self._answers(originals)
        state = self._state(key)
        if state is State.STORED and answers:
            self._takes.record(key, answers, asked)
            return
        if not answers or (state is State.ANSWERED and not self._is_answer_lost(key)):
            return
        first = [one for one in answers if one.take == answers[0].take]
        pictures = [picture for one in first for picture in one.pictures]
        self._stray_first(key, pictures, next((one.receipt for one in first if one.receipt), None), asked)
        if further := answers[len(first) :] if self._state(key) is State.STORED else []:
            self._takes.record(key, further, asked)

    def _answers(self, originals: Sequence[str]) -> list[StrayAnswer]:
        """Return the whole pictures of one key as the answers that brought them, by take.

        Receipts say which pictures are of one answer; a picture without one is taken to be all of its answer.
        """
        found: dict[object, StrayAnswer] = {}
        for original in originals:
            if (picture := self._whole(original)) is not None:
                there = self._in_bucket.get(original)
                receipt = there.receipt if there else None
                answer = (receipt.take, receipt.attempt) if receipt else original
                found.setdefault(answer, StrayAnswer([], receipt)).pictures.append(picture)
        return sorted(found.values(), key=lambda one: one.take)

    def _is_answer_lost(self, key: str) -> bool:
        return has_lost_answer(self._db, self._folder, takes.first_of(self._db, key))

    def _stray_first(
        self, key: str, pictures: Sequence[StoredPicture], receipt: Receipt | None, asked: Wanted | None
    ) -> None:
        """Record pictures of the first take of a request that is not stored."""
        state = self._state(key)
        request_id: int | None
        if state is State.ANSWERED:
            # What the request cost is known already.
            request_id = takes.first_of(self._db, key)
        elif state is State.SENT:
            request_id = takes.first_of(self._db, key)
            transitions.settle_doubt(self._db, request_id=request_id, bill=receipt.bill if receipt else None)
        elif state is State.SPOILED and (request_id := self._lost_before(key)):
            # What the request cost is known already.
            self._store(request_id, pictures, self._now_ms)
            return
        elif asked is not None and self._was_reused(asked, pictures):
            return
        elif asked is not None:
            bill = receipt.bill if receipt else asked.bill
            request_id = self._billed(asked.request, asked.stem, bill, self._now_ms, self._now_ms)
        elif state is not None:
            request_id = self._estimated_again(key)
        else:
            self._done.unknown += [picture.original for picture in pictures]
            return
        self._store(request_id, pictures, self._now_ms)
        self._done.unpriced += receipt is None and state is not State.ANSWERED

    def _was_reused(self, asked: Wanted, pictures: Sequence[StoredPicture]) -> bool:
        """Record pictures that a run which died had taken from another folder; return whether they were."""
        key = asked.request.key
        found = self._sources.find([key]).get(key) if self._sources else None
        if found is None or [one.sha256 for one in found.pictures] != [one.sha256 for one in pictures]:
            return False
        transitions.reuse(
            self._db,
            request=asked.request,
            stem=asked.stem,
            run_id=self._run(),
            pictures=pictures,
            reused_from=str(found.folder),
            answered_ms=found.answered_ms,
            now_ms=self._now_ms,
        )
        self._done.stored += 1
        return True

    def _whole(self, original: str) -> StoredPicture | None:
        if there := self._in_bucket.get(original):
            return there.picture
        path = self._folder.original(original)
        try:
            content = path.read_bytes()
            return StoredPicture(original, sha256_of(path), len(content), inspect(content))
        except NotAPicture:
            return None

    def _opaque(self, unnamed: set[str]) -> None:
        """Record pictures of no line whose opaque names hold the beginnings of their requests' keys."""
        by_prefix = {found[1]: file for file in unnamed if (found := _OPAQUE.fullmatch(file))}
        if not by_prefix:
            return
        prefixes = {int(prefix, 16) for prefix in by_prefix}
        for asked in self._find(lambda number: number >> 32 in prefixes):
            key = asked.request.key
            file = by_prefix.get(key[:8])
            if file is None or stem_of(file) != asked.stem or self._state(key) not in {None, State.WAITING}:
                continue
            path = self._folder.root / file
            brought = self._brought(path, key, 1) if is_plain_file(path, self._folder) else None
            if brought is not None:
                self._store(self._estimated(asked), [brought], self._now_ms)
                self._done.unpriced += 1
                unnamed.discard(file)

    def _failed(self, failed: FailureLine) -> None:
        outcome, key = failed.outcome, failed.request.key
        if failed.take > 1:
            self._failed_take(failed)
            return
        state = self._state(key)
        if state not in {None, State.WAITING} or (state is State.WAITING and outcome.state is not State.DOUBT):
            return
        ticket = self._ticket(failed.request, "", self._now_ms)
        transitions.fail(self._db, ticket=ticket, outcome=outcome, duration_ms=None, now_ms=self._now_ms)
        if outcome.state is State.DOUBT and failed.attempts > 1:
            # A request in doubt may have been repeated before; counted as one doubt, it would be repeated once more.
            again = self._ticket(failed.request, "", self._now_ms)
            doubt = Outcome(State.DOUBT, outcome.reason, outcome.message, outcome.status)
            transitions.fail(self._db, ticket=again, outcome=doubt, duration_ms=None, now_ms=self._now_ms)
        self._done.failures += 1

    def _failed_take(self, failed: FailureLine) -> None:
        """Record another take that may have been billed; one that was surely not is asked for again, or not."""
        request, outcome = failed.request, failed.outcome
        if outcome.state not in {State.DOUBT, State.SPOILED} or self._state(request.key) is not State.STORED:
            return
        if self._takes.open_take(request.key) is None:
            takes.ask(self._db, [(request, "")], run_id=self._run(), now_ms=self._now_ms)
            number = takes.last_number(self._db, takes.first_of(self._db, request.key)) + 1
            ticket = self._ticket(structs.replace(request, take=number), "", self._now_ms)
            transitions.fail(self._db, ticket=ticket, outcome=outcome, duration_ms=None, now_ms=self._now_ms)
            self._done.failures += 1

    def _loose_bodies(self) -> dict[str, Path]:
        """Return the answers whose attempts the ledger does not know, by key; notes of such attempts are removed."""
        for (key, attempt_id), note in unbilled(self._folder).items():
            if not self._knows(key, attempt_id):
                note.unlink(missing_ok=True)
        bodies = kept_answers(self._folder).items()
        return {key: path for (key, attempt_id), path in bodies if not self._knows(key, attempt_id)}

    def _bodies(self, found: Mapping[str, Wanted], *, lost: bool) -> None:
        for key, path in self._loose_bodies().items():
            take, state = self._unfinished(key)
            if state in {State.STORED, State.ANSWERED, State.SENT}:
                continue
            asked = found.get(key)
            if asked is None:
                self._done.unknown.append(path.relative_to(self._folder.root).as_posix())
                continue
            bill = asked.bill
            if lost and state in {State.SPOILED, State.DOUBT}:
                # The line that a lost ledger left is of the attempt that brought the body.
                ticket, stated = self._last_attempt(key, take)
                bill = stated if state is State.SPOILED else bill
            else:
                ticket = self._ticket(structs.replace(asked.request, take=take), asked.stem, self._now_ms)
            kept = path.with_name(f"{key}-{ticket.attempt_id}.body")
            path.rename(kept)
            self._answer(ticket, bill, self._now_ms, kept=kept.name)
            self._done.answered += 1

    def _unfinished(self, key: str) -> tuple[int, State | None]:
        """Return the take of a key that an answer the ledger does not know is for, and its state.

        Of a stored request, that is the further take that was asked for, if any.
        """
        newest = "SELECT take, state FROM requests WHERE key = ? ORDER BY take DESC LIMIT 1"
        take, state = self._db.execute(newest, (key,)).fetchone() or (1, None)
        return take, None if state is None else State(state)

    def _last_attempt(self, key: str, take: int) -> tuple[Ticket, Bill]:
        request_id, attempt_id, *bill = self._db.execute(
            "SELECT r.id, a.id, a.billed_microusd, a.estimated_microusd, a.cost_flag, a.cost_source FROM requests r"
            " JOIN attempts a ON a.request_id = r.id WHERE r.key = ? AND r.take = ? ORDER BY a.ordinal DESC LIMIT 1",
            (key, take),
        ).fetchone()
        return Ticket(request_id, attempt_id, key, "", 0, None), Bill(*bill)

    def _lost_before(self, key: str) -> int | None:
        """Return the number of a request whose pictures were paid for and then lost."""
        found = self._db.execute(
            "SELECT id FROM requests WHERE key = ? AND take = 1 AND reason = 'lost'", (key,)
        ).fetchone()
        return None if found is None else int(found[0])

    def _complete(self) -> None:
        """Give requests that lines brought back what only the plan knows of them."""
        for asked in self._find(lambda _: True):
            request = asked.request
            self._db.execute(
                "UPDATE requests SET kind = ?, canonical = ?, stem = iif(stem = '', ?, stem) WHERE key = ?",
                (request.kind, request.canonical.decode(), asked.stem, request.key),
            )

    def _asked(self, keys: set[str]) -> dict[str, Wanted]:
        wanted = {number_of(key) for key in keys}
        if not wanted:
            return {}
        return {one.request.key: one for one in self._find(wanted.__contains__) if one.request.key in keys}

    def _estimated(self, asked: Wanted) -> int:
        return self._billed(asked.request, asked.stem, asked.bill, self._now_ms, self._now_ms)

    def _estimated_again(self, key: str) -> int:
        """Record an answer to a request that the ledger knows as unanswered, and return the request's number."""
        request_id, estimate, source, attempts = self._db.execute(
            "SELECT id, coalesce(estimate_microusd, 0), price_source,"
            " (SELECT count(*) FROM attempts WHERE request_id = requests.id) FROM requests WHERE key = ? AND take = 1",
            (key,),
        ).fetchone()
        self._db.execute(
            "INSERT INTO attempts (request_id, run_id, ordinal, outcome, sent_ms, reserved_microusd,"
            " estimated_microusd, cost_source, cost_flag) VALUES (?, ?, ?, 'billed', ?, 0, ?, ?, 'recovered')",
            (request_id, self._run(), attempts + 1, self._now_ms, estimate, source),
        )
        return int(request_id)

    def _billed(
        self,
        request: Request,
        stem: str,
        bill: Bill,
        begun_ms: int,
        answered_ms: int,
        *,
        latency_ms: int | None = None,
        duration_ms: int | None = None,
    ) -> int:
        """Return the number of a request that is now answered at that price."""
        if self._state(request.key) is State.SENT:
            request_id = takes.first_of(self._db, request.key)
            transitions.settle_doubt(self._db, request_id=request_id)
            return request_id
        ticket = self._ticket(request, stem, begun_ms)
        self._answer(ticket, bill, answered_ms, latency_ms=latency_ms, duration_ms=duration_ms)
        return ticket.request_id

    def _ticket(self, request: Request, stem: str, begun_ms: int) -> Ticket:
        ticket = transitions.intend(
            self._db,
            request=request,
            stem=stem,
            run_id=self._run(),
            reserved_microusd=0,
            estimate_microusd=None,
            now_ms=begun_ms,
        )
        assert ticket is not None, "its state was looked at"
        return ticket

    def _answer(
        self,
        ticket: Ticket,
        bill: Bill,
        answered_ms: int,
        *,
        kept: str | None = None,
        latency_ms: int | None = None,
        duration_ms: int | None = None,
    ) -> None:
        transitions.answer(
            self._db,
            ticket=ticket,
            bill=bill,
            body=None,
            kept=kept,
            latency_ms=latency_ms,
            duration_ms=duration_ms,
            now_ms=answered_ms,
        )

    def _store(self, request_id: int, pictures: Sequence[StoredPicture], ended_ms: int) -> None:
        # Whether a manifest asks for the request shows when its rows are described.
        transitions.store(
            self._db, request_id=request_id, pictures=pictures, downloads=0, now_ms=ended_ms, takes_names=False
        )
        self._done.stored += 1

    def _run(self) -> int:
        if not self._run_id:
            self._run_id = transitions.begin_run(
                self._db,
                now_ms=self._now_ms,
                version="recovered",
                manifest=METADATA,
                provider="",
                base_url="",
                planned=0,
                estimate_microusd=0,
            )
        return self._run_id

    def _state(self, key: str) -> State | None:
        found = self._db.execute("SELECT state FROM requests WHERE key = ? AND take = 1", (key,)).fetchone()
        return None if found is None else State(found[0])

    def _knows(self, key: str, attempt_id: int) -> bool:
        found = self._db.execute(
            "SELECT 1 FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.id = ? AND r.key = ?",
            (attempt_id, key),
        )
        return found.fetchone() is not None

    def _unknown(self, files: Collection[str]) -> list[str]:
        """Return the ``files`` that show no picture of the ledger: a row that shares one may have given the name."""
        known = self._db.execute("SELECT bytes, sha256 FROM pictures") if files else ()
        digests: dict[int, set[str]] = {}
        for size, sha256 in known:
            digests.setdefault(size, set()).add(sha256)
        paths = ((file, self._folder.root / file) for file in sorted(files))
        return [
            file
            for file, path in paths
            if not (found := digests.get(path.stat().st_size)) or sha256_of(path) not in found
        ]

    def _is_named(self, file: str) -> bool:
        return self._db.execute("SELECT 1 FROM names WHERE file = ?", (file,)).fetchone() is not None
