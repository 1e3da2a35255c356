"""Read what a ledger knows: what was sent, what came back, what it cost.

Reading is done beside the writer, on connections of its own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from batchgen.request import State
from batchgen.store.ledger.plan_diff import Orphans
from batchgen.store.ledger.schema import connect_read_only, reading
from batchgen.store.ledger.transitions import Ticket, rates_of
from batchgen.tokens import PricedBy


@dataclass(frozen=True, slots=True)
class KnownRequest:
    """What the ledger knows of a key: its state, when it may be sent, and how often it has been in doubt.

    ``lost`` says that the request was paid for and its picture is gone.
    """

    state: State
    not_before_ms: int
    doubts: int
    estimate_microusd: int | None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A paid answer that is not a picture on disk yet."""

    request_id: int
    key: str
    model: str
    stem: str
    body: bytes | None
    answer: str | None
    canonical: str
    downloads: int
    answered_ms: int


@dataclass(frozen=True, slots=True)
class InFlight:
    """An attempt that a process which died had on its way, and the canonical JSON of what it asked for."""

    ticket: Ticket
    canonical: str


@dataclass(frozen=True, slots=True)
class Unread:
    """An answer in which no picture was known when it came: in its row (``body``), or a file below ``answers/``.

    ``lost``: its pictures were stored, and are gone.
    """

    request_id: int
    attempt_id: int
    key: str
    body: bytes | None
    answer: str | None
    canonical: str
    estimate_microusd: int | None
    lost: bool
    priced_by: PricedBy | None = None


@dataclass(frozen=True, slots=True)
class Each:
    """The stored requests whose cost and latency come from the same sources: how many, and the means of both."""

    cost_source: str | None
    latency_source: str | None
    requests: int
    cost_microusd: int
    latency_ms: int | None


@dataclass(frozen=True, slots=True)
class Spent:
    """The three sums of a ledger, in micro-dollars, and what was risked by repeating requests in doubt."""

    billed_microusd: int = 0
    maybe_microusd: int = 0
    estimated_microusd: int = 0
    risked_microusd: int = 0


@dataclass(frozen=True, slots=True)
class NewestRun:
    """The newest run: ``exit_code`` is ``None`` while the run goes on, or if it was killed."""

    id: int
    planned: int
    exit_code: int | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class NightSpent:
    """What a night's runs spent, billed, maybe billed and estimated together; ``ends_ms`` is when the next may begin.

    ``ends_ms`` is ``None`` if the night has not begun: its first purchase begins it.
    """

    microusd: int = 0
    ends_ms: int | None = None


# A night: long enough for every run that resumes another, short enough to be over when the next one begins.
NIGHT_MS = 12 * 3_600_000


class Reader:
    """A reader of a ledger beside its writer, on a connection of its own. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        self.db = connect_read_only(path)
        self._path = path

    def close(self) -> None:
        self.db.close()

    def standings(self, keys: Iterable[str]) -> Mapping[str, KnownRequest]:
        """Return what is known of each of ``keys``; the unknown ones are left out."""
        rows = self._rows(
            # One bound value for any number of keys: no limit on their count, and one prepared statement.
            "SELECT key, state, coalesce(not_before_ms, 0), estimate_microusd,"
            " state = 'spoiled' AND coalesce(reason = 'lost', 0), id FROM requests"
            " WHERE key IN (SELECT value FROM json_each(?)) AND take = 1",
            _json_array(keys),
        )
        return self._known(rows)

    def open_takes(self) -> Mapping[str, tuple[int, KnownRequest]]:
        """Return the further takes that persons asked for and that are no pictures yet, by key, with their numbers."""
        # An index knows what is not stored.
        rows = self._rows(
            "SELECT key, state, coalesce(not_before_ms, 0), estimate_microusd, 0, id, take FROM requests"
            " WHERE state <> 'stored' AND take > 1"
        )
        known = self._known([row for *row, _ in rows])
        return {key: (take, known[key]) for key, *_, take in rows}

    def _known(self, rows: Sequence[Sequence[Any]]) -> Mapping[str, KnownRequest]:
        return {
            key: KnownRequest(
                State(state),
                not_before_ms,
                self._doubts(request_id) if state in {State.DOUBT, State.WAITING} else 0,
                estimate,
                bool(lost),
            )
            for key, state, not_before_ms, estimate, lost, request_id in rows
        }

    def states(self, keys: Iterable[str]) -> Mapping[str, State]:
        """Return the state of each of ``keys``; the unknown ones are left out."""
        rows = self._rows(
            "SELECT key, state FROM requests WHERE key IN (SELECT value FROM json_each(?)) AND take = 1",
            _json_array(keys),
        )
        return {key: State(state) for key, state in rows}

    @property
    def has_tables(self) -> bool:
        """Return whether the ledger has tables: its making may have been broken off before the first one."""
        return bool(self._rows("SELECT 1 FROM sqlite_master LIMIT 1"))

    def knows_any(self) -> bool:
        """Return whether there is any request in the ledger."""
        return bool(self._rows("SELECT 1 FROM requests LIMIT 1"))

    def last_run(self) -> NewestRun | None:
        """Return the newest run of the folder."""
        rows = self._rows("SELECT id, planned, exit_code, reason FROM runs ORDER BY id DESC LIMIT 1")
        return NewestRun(*rows[0]) if rows else None

    def orphans(self) -> Orphans | None:
        """Return the orphans found by the newest run that read its whole plan."""
        rows = self._rows("SELECT orphans FROM runs WHERE orphans IS NOT NULL ORDER BY id DESC LIMIT 1")
        with reading(self._path):
            return msgspec.json.decode(rows[0][0], type=Orphans) if rows else None

    def unfinished(self) -> list[Unfinished]:
        """Return every paid answer that is not on disk yet, in the order of arrival."""
        rows = self._rows(
            # An index knows what is not stored.
            "SELECT id, key, model, stem, body, answer, canonical, downloads, coalesce(answered_ms, 0) FROM requests"
            " WHERE state <> 'stored' AND state = 'answered'"
            " ORDER BY answered_ms, id"
        )
        return [Unfinished(*row) for row in rows]

    def unread(self, attempts: Iterable[int], *, version: str) -> list[Unread]:
        """Return the answers without a known picture of requests that have none, the newest first.

        ``attempts`` have an answer in a file. What was read as a picture and was none is left out, unless another
        ``version`` of batchgen judged so.
        """
        rows = self._rows(_UNREAD, json.dumps(list(attempts)), version)
        return [
            Unread(
                request_id,
                attempt_id,
                key,
                None if in_file else body,
                f"{key}-{attempt_id}.body" if in_file else None,
                canonical,
                estimate,
                bool(lost),
                _priced_by(*price),
            )
            for request_id, attempt_id, in_file, key, body, canonical, estimate, lost, *price in rows
        ]

    def sent(self) -> Mapping[int, InFlight]:
        """Return what an earlier process left on its way, by attempt."""
        rows = self._rows(
            "SELECT a.id, r.id, r.key, r.canonical, a.reserved_microusd, r.estimate_microusd, r.price_source,"
            " r.token_rates FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.outcome = 'sent'"
        )
        return {
            attempt_id: InFlight(
                Ticket(request_id, attempt_id, key, "", reserved, estimate, _priced_by(*price)), canonical
            )
            for attempt_id, request_id, key, canonical, reserved, estimate, *price in rows
        }

    def finished(self, attempts: Iterable[int]) -> Mapping[int, str]:
        """Return those of ``attempts`` that were paid for and whose request is stored, with its key."""
        rows = self._rows(
            "SELECT a.id, r.key FROM attempts a JOIN requests r ON r.id = a.request_id"
            " WHERE r.state = 'stored' AND a.outcome = 'billed' AND a.id IN (SELECT value FROM json_each(?))",
            json.dumps(list(attempts)),
        )
        return dict(rows)

    def spent(self) -> Spent:
        """Return the sums over all attempts this folder has ever made."""
        (row,) = self._rows(
            """
            SELECT coalesce(sum(billed_microusd), 0), coalesce(sum(maybe_microusd), 0),
                   coalesce(sum(estimated_microusd), 0),
                   (SELECT coalesce(sum(maybe_microusd), 0) FROM attempts early WHERE maybe_microusd > 0 AND EXISTS (
                       SELECT 1 FROM attempts later
                       WHERE later.request_id = early.request_id AND later.ordinal > early.ordinal
                   ))
            FROM attempts
            """
        )
        return Spent(*row)

    def night(self, *, now_ms: int) -> NightSpent:
        """Return what the runs of this night spent.

        A night is the ``NIGHT_MS`` from the start of the first run that sent anything after the last night was over,
        so that a run that was killed and those that resume it share one budget, and tomorrow's has its own.
        """
        rows = self._rows(
            "SELECT r.started_ms, sum(a.billed_microusd + a.maybe_microusd + a.estimated_microusd)"
            " FROM runs r JOIN attempts a ON a.run_id = r.id GROUP BY r.id ORDER BY r.id"
        )
        began_ms, spent_microusd = None, 0
        for started_ms, amount in rows:
            # A clock that was set back does not begin a new night.
            if began_ms is None or started_ms >= began_ms + NIGHT_MS:
                began_ms, spent_microusd = started_ms, 0
            spent_microusd += amount
        if began_ms is None or now_ms >= began_ms + NIGHT_MS:
            return NightSpent()
        return NightSpent(spent_microusd, began_ms + NIGHT_MS)

    def typical_bytes(self) -> int | None:
        """Return the mean size of the newest answers' pictures, or ``None`` if there are none."""
        ((size,),) = self._rows(
            "SELECT avg(bytes) FROM (SELECT bytes FROM pictures ORDER BY request_id DESC LIMIT 1000)"
        )
        return None if size is None else round(size)

    def count(self) -> Mapping[State, int]:
        """Return how many requests are in each state, without those that nothing asks for any more."""
        return {State(state): count for state, count in self._rows(_COUNT)}

    def count_unread(self) -> int:
        """Return how many requests have an answer in which no picture is known, and no other picture."""
        ((count,),) = self._rows(COUNT_UNREAD)
        return int(count)

    def each(self) -> list[Each]:
        """Return what stored requests cost and take, by where both figures come from, the most frequent first."""
        return [Each(*row) for row in self._rows(_EACH)]

    def count_reused(self) -> int:
        """Return how many stored requests, without retired ones, have pictures of another folder, unpaid for here."""
        ((count,),) = self._rows("SELECT count(*) FROM requests WHERE reused_from IS NOT NULL AND retired_ms IS NULL")
        return int(count)

    def _doubts(self, request_id: int) -> int:
        ((count,),) = self._rows(
            "SELECT count(*) FROM attempts WHERE request_id = ? AND outcome = 'in doubt'", request_id
        )
        return int(count)

    def _rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with reading(self._path):
            return self.db.execute(statement, values).fetchall()


# Answers are kept until somebody knows their pictures; what was stored and is lost has no such answer.
COUNT_UNREAD = """
SELECT count(*) FROM requests WHERE state <> 'stored' AND state IN ('spoiled', 'in doubt')
AND (answer IS NOT NULL OR body IS NOT NULL) AND reason IS NOT 'lost'
"""
_UNREAD = """
SELECT r.id, a.id, f.value IS NOT NULL, r.key, r.body, r.canonical, r.estimate_microusd, r.reason IS 'lost',
       r.price_source, r.token_rates
FROM requests r JOIN attempts a ON a.request_id = r.id JOIN runs ON runs.id = r.run_id
LEFT JOIN json_each(?) f ON f.value = a.id
WHERE r.state <> 'stored' AND r.state NOT IN ('answered', 'sent')
  AND (f.value IS NOT NULL OR (r.body IS NOT NULL AND r.state IN ('spoiled', 'in doubt')
       AND a.id = (SELECT max(id) FROM attempts WHERE request_id = r.id)))
  AND NOT (r.reason IS 'not_a_picture' AND runs.version = ?)
ORDER BY a.id DESC
"""
_EACH = """
SELECT a.cost_source, r.latency_source, count(*), cast(round(avg(a.billed_microusd + a.estimated_microusd)) AS INTEGER),
       cast(round(avg(r.latency_ms)) AS INTEGER)
FROM requests r JOIN attempts a ON a.request_id = r.id AND a.outcome = 'billed'
WHERE r.state = 'stored' GROUP BY a.cost_source, r.latency_source ORDER BY count(*) DESC
"""
_COUNT = "SELECT state, count(*) FROM requests WHERE retired_ms IS NULL GROUP BY state"


def _priced_by(source: str | None, rates: str | None) -> PricedBy | None:
    return None if source is None else PricedBy(source, rates_of(rates))


def _json_array(words: Iterable[str]) -> str:
    # Keys are hexadecimal digits: nothing in them needs escaping.
    return '["' + '","'.join(words) + '"]'
