"""What can happen to a request, each as one change of the ledger: the order of writes in SQL.

Money stands with the attempt that spent it, in exactly one of three columns: billed, maybe billed, estimated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from batchgen.encoding import json_text
from batchgen.request import Request, State
from batchgen.store.folder.view import Name
from batchgen.store.ledger import names, takes
from batchgen.store.media.sniff import Format
from batchgen.tokens import PricedBy, TokenRates, Usage


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right to post a request once.

    ``idempotency_key`` stays the same while an earlier attempt may still have been billed, so that a service that
    honours it can tell the repetition.
    """

    request_id: int
    attempt_id: int
    key: str
    idempotency_key: str
    reserved_microusd: int
    estimate_microusd: int | None
    priced_by: PricedBy | None = None


# The sources of a cost that a service stated itself, and of an estimate that follows from tokens it stated. The words
# of other estimates say whose price each is.
STATED = ("answer", "usage", "header")
TOKENS = "tokens"


@dataclass(frozen=True, slots=True)
class Bill:
    """What an answer cost.

    ``source`` is what the cost was read or counted from: one of ``STATED`` for what is billed, else ``TOKENS`` or the
    source of the price; ``None`` if nobody knows a price. ``flag`` says what is odd about what the service stated.
    """

    billed_microusd: int = 0
    estimated_microusd: int = 0
    flag: str | None = None
    source: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class StoredPicture:
    """A picture at rest: its name below ``pictures/``, and what it holds."""

    original: str
    sha256: str
    bytes: int
    format: Format
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a request ended whose attempt brought no picture, in the words of the report.

    The answer, if one came, is its ``body``, or the file ``kept`` below ``answers/``. ``source`` is where the billed
    cost stood.
    """

    state: State
    reason: str
    message: str
    status: int | None = None
    billed_microusd: int = 0
    maybe_microusd: int = 0
    estimated_microusd: int = 0
    not_before_ms: int | None = None
    body: bytes | None = None
    kept: str | None = None
    source: str | None = None

    @property
    def billing(self) -> str:
        """Return how the attempt counts in the bill."""
        if self.state is State.DOUBT:
            return "in doubt"
        answered = self.state is State.SPOILED or self.billed_microusd or self.maybe_microusd
        return "billed" if answered else "not billed"

    @property
    def flag(self) -> str | None:
        """Return why the cost of an answer is no known one."""
        return "unknown" if self.billing == "billed" and self.maybe_microusd else None


def begin_run(
    db: sqlite3.Connection,
    *,
    now_ms: int,
    version: str,
    manifest: str,
    provider: str,
    base_url: str,
    planned: int,
    estimate_microusd: int,
) -> int:
    """Open a run and return its number."""
    return _inserted(
        db,
        "INSERT INTO runs (started_ms, version, manifest, provider, base_url, planned, estimate_microusd)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (now_ms, version, manifest, provider, base_url, planned, estimate_microusd),
    )


def end_run(
    db: sqlite3.Connection,
    *,
    run_id: int,
    now_ms: int,
    exit_code: int,
    reason: str | None,
    orphans: str | None = None,
) -> None:
    """Close a run; ``orphans`` are those it found, as JSON, if the run read the whole plan."""
    db.execute(
        "UPDATE runs SET ended_ms = ?, exit_code = ?, reason = ?, orphans = ? WHERE id = ?",
        (now_ms, exit_code, reason, orphans, run_id),
    )


def intend(
    db: sqlite3.Connection,
    *,
    request: Request,
    stem: str,
    run_id: int,
    reserved_microusd: int,
    estimate_microusd: int | None,
    now_ms: int,
    priced_by: PricedBy | None = None,
) -> Ticket | None:
    """Record that ``request`` is about to be posted, and return the right to; ``None`` if it must not be posted.

    The promise is kept here, in the one place every post passes: a request that is on its way or has been answered
    is not sent, whatever the caller believed.
    """
    request_id = _entered(
        db,
        State.SENT,
        request=request,
        stem=stem,
        run_id=run_id,
        estimate_microusd=estimate_microusd,
        priced_by=priced_by,
        now_ms=now_ms,
    )
    if request_id is None:
        return None
    attempts, doubtful = db.execute(_PAST_ATTEMPTS, {"id": request_id, "key": request.key}).fetchone()
    attempt_id = _inserted(
        db,
        "INSERT INTO attempts (request_id, take, run_id, ordinal, outcome, sent_ms, reserved_microusd)"
        " VALUES (?, ?, ?, ?, 'sent', ?, ?)",
        (request_id, request.take, run_id, attempts + 1, now_ms, reserved_microusd),
    )
    return Ticket(
        request_id,
        attempt_id,
        request.key,
        f"{request.key}-{doubtful or attempts + 1}",
        reserved_microusd,
        estimate_microusd,
        priced_by,
    )


def rates_of(text: str | None) -> TokenRates | None:
    """Return the token prices that a row of the ledger keeps as JSON."""
    return None if text is None else _rates.decode(text)


_rates = msgspec.json.Decoder(TokenRates)


def _entered(
    db: sqlite3.Connection,
    state: State,
    *,
    request: Request,
    stem: str,
    run_id: int,
    estimate_microusd: int | None,
    now_ms: int,
    priced_by: PricedBy | None = None,
) -> int | None:
    """Return the number of a request, now in ``state``; ``None`` if the request is on its way or has been answered."""
    if request.take > 1 and not takes.is_open(db, request.key, request.take):
        # Another take is bought once for each time that a person asked for it.
        return None
    row = db.execute(
        """
        INSERT INTO requests (key, take, state, position, row, repeat, provider, kind, model, canonical, columns, axes,
                              stem, estimate_microusd, price_source, token_rates, run_id, first_sent_ms)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (key, take) DO UPDATE SET state = excluded.state, run_id = excluded.run_id, not_before_ms = NULL,
            reason = NULL, message = NULL, status = NULL, body = NULL, answer = NULL, ended_ms = NULL,
            retired_ms = NULL, discarded_ms = NULL,
            columns = excluded.columns, axes = excluded.axes, position = excluded.position, row = excluded.row,
            stem = excluded.stem, estimate_microusd = excluded.estimate_microusd,
            price_source = excluded.price_source, token_rates = excluded.token_rates
        WHERE state NOT IN ('sent', 'answered', 'stored')
        RETURNING id
        """,
        (
            request.key,
            request.take,
            state,
            request.index,
            request.row,
            request.repeat,
            request.provider,
            request.kind,
            request.model,
            request.canonical.decode(),
            json_text(request.columns),
            json_text(request.axes),
            stem,
            estimate_microusd,
            priced_by.source if priced_by else None,
            json_text(priced_by.rates) if priced_by and priced_by.rates else None,
            run_id,
            now_ms,
        ),
    ).fetchone()
    return None if row is None else int(row[0])


# How many attempts there were for all takes of the key, and the first one still in doubt. What was billed later under
# its idempotency key has settled that doubt: asking again then means another picture, under another key.
_PAST_ATTEMPTS = """
SELECT (SELECT count(*) FROM requests r JOIN attempts a ON a.request_id = r.id WHERE r.key = :key),
       min(ordinal) FILTER (WHERE outcome = 'in doubt' AND ordinal > (
    SELECT coalesce(max(ordinal), 0) FROM attempts WHERE request_id = :id AND outcome = 'billed'
)) FROM attempts WHERE request_id = :id
"""


def answer(
    db: sqlite3.Connection,
    *,
    ticket: Ticket,
    bill: Bill,
    body: bytes | None,
    kept: str | None,
    latency_ms: int | None,
    duration_ms: int | None,
    now_ms: int,
) -> None:
    """Record a paid answer; from here on the request is finished locally and never posted again.

    Its ``body`` stands in the row, or else in the file ``kept`` below ``answers/``.
    """
    _bill(db, ticket.attempt_id, bill, duration_ms)
    db.execute(
        "UPDATE requests SET state = 'answered', body = ?, answer = ?, latency_ms = ?, latency_source = ?,"
        " answered_ms = ?, reason = NULL, message = NULL WHERE id = ?",
        (body, kept, *_latency(latency_ms, duration_ms), now_ms, ticket.request_id),
    )


def _bill(db: sqlite3.Connection, attempt_id: int, bill: Bill, duration_ms: int | None) -> None:
    usage = bill.usage
    db.execute(
        "UPDATE attempts SET outcome = 'billed', duration_ms = ?, billed_microusd = ?, maybe_microusd = 0,"
        " estimated_microusd = ?, cost_source = ?, cost_flag = ?, input_tokens = ?, output_tokens = ?, usage = ?"
        " WHERE id = ?",
        (
            duration_ms,
            bill.billed_microusd,
            bill.estimated_microusd,
            bill.source,
            bill.flag,
            usage.input_tokens if usage else None,
            usage.output_tokens if usage else None,
            json_text(usage.stated) if usage and usage.stated else None,
            attempt_id,
        ),
    )


def _latency(stated_ms: int | None, duration_ms: int | None) -> tuple[int | None, str | None]:
    """Return the latency that a service stated, else the time of the request itself, and which of them it is."""
    if stated_ms is not None:
        return stated_ms, "service"
    return duration_ms, None if duration_ms is None else "request"


def understand(
    db: sqlite3.Connection,
    *,
    request_id: int,
    attempt_id: int,
    bill: Bill,
    kept: str | None,
    latency_ms: int | None,
    now_ms: int,
) -> None:
    """Record that an answer that was kept unread holds pictures: it is paid for, and is finished like any other."""
    (duration_ms,) = db.execute("SELECT duration_ms FROM attempts WHERE id = ?", (attempt_id,)).fetchone()
    _bill(db, attempt_id, bill, duration_ms)
    db.execute(
        "UPDATE requests SET state = 'answered', answer = ?, latency_ms = ?, latency_source = ?,"
        " answered_ms = coalesce(answered_ms, ?), reason = NULL, message = NULL, status = NULL, ended_ms = NULL"
        " WHERE id = ?",
        (kept, *_latency(latency_ms, duration_ms), now_ms, request_id),
    )


def fail(
    db: sqlite3.Connection,
    *,
    ticket: Ticket,
    outcome: Outcome,
    duration_ms: int | None,
    now_ms: int,
) -> None:
    """Record an attempt without a picture, and the state it leaves its request in."""
    db.execute(
        "UPDATE attempts SET outcome = ?, duration_ms = ?, billed_microusd = ?, maybe_microusd = ?,"
        " estimated_microusd = ?, cost_source = ?, cost_flag = ?, status = ?, reason = ?, message = ? WHERE id = ?",
        (
            outcome.billing,
            duration_ms,
            outcome.billed_microusd,
            outcome.maybe_microusd,
            outcome.estimated_microusd,
            outcome.source,
            outcome.flag,
            outcome.status,
            outcome.reason,
            outcome.message,
            ticket.attempt_id,
        ),
    )
    db.execute(
        "UPDATE requests SET state = ?, not_before_ms = ?, status = ?, reason = ?, message = ?, body = ?, answer = ?,"
        " ended_ms = ? WHERE id = ?",
        (
            outcome.state,
            outcome.not_before_ms,
            outcome.status,
            outcome.reason,
            outcome.message,
            outcome.body,
            outcome.kept,
            None if outcome.state is State.WAITING else now_ms,
            ticket.request_id,
        ),
    )


def store(
    db: sqlite3.Connection,
    *,
    request_id: int,
    pictures: Sequence[StoredPicture],
    downloads: int,
    now_ms: int,
    message: str | None = None,
    takes_names: bool = True,
) -> list[Name]:
    """Record the published pictures of an answer; return the names to be made for them.

    ``message`` says what else was in the answer and could not be used. With ``takes_names``, names that other pictures
    have from an earlier manifest become names of these. Pictures of a further take are shown in the place of those of
    the take before, which are kept.
    """
    joined = takes.join(db, request_id)
    request_id, take = joined.request_id, joined.take
    takes.put_aside(db, request_id)
    db.executemany(
        "INSERT INTO pictures (request_id, take, ordinal, original, sha256, bytes, format, width, height, duration_ms,"
        " revised_prompt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                request_id,
                take,
                ordinal,
                picture.original,
                picture.sha256,
                picture.bytes,
                picture.format.name,
                picture.format.width,
                picture.format.height,
                picture.format.duration_ms,
                picture.revised_prompt,
            )
            for ordinal, picture in enumerate(pictures, 1)
        ],
    )
    db.execute(
        "UPDATE requests SET state = 'stored', answer = NULL, reason = NULL, message = ?,"
        " downloads = downloads + ?, ended_ms = ?, retired_ms = NULL WHERE id = ?",
        (message, downloads, now_ms, request_id),
    )
    want = names.want_anew if take > 1 else names.want
    found = want(db, request_id, now_ms=now_ms, takes=takes_names)
    if not takes_names:
        names.give_up(db, [request_id], now_ms=now_ms)
    return found


def reuse(
    db: sqlite3.Connection,
    *,
    request: Request,
    stem: str,
    run_id: int,
    pictures: Sequence[StoredPicture],
    reused_from: str,
    answered_ms: int | None,
    now_ms: int,
) -> list[Name] | None:
    """Record ``request`` as stored with pictures that another folder had bought: no attempt, and no money.

    ``reused_from`` says which folder. Return the names to be made, or ``None``, and record nothing, if the request is
    on its way or has been answered here by now.
    """
    request_id = _entered(
        db, State.ANSWERED, request=request, stem=stem, run_id=run_id, estimate_microusd=None, now_ms=now_ms
    )
    if request_id is None:
        return None
    found = store(db, request_id=request_id, pictures=pictures, downloads=0, now_ms=now_ms)
    db.execute(
        "UPDATE requests SET reused_from = ?, answered_ms = ?, latency_ms = NULL, latency_source = NULL WHERE id = ?",
        (reused_from, answered_ms, request_id),
    )
    return found


def lose(db: sqlite3.Connection, *, request_id: int, message: str, now_ms: int) -> None:
    """Record that the pictures of a request are gone and wanted: only its user may pay again."""
    db.execute("DELETE FROM pictures WHERE request_id = ?", (request_id,))
    names.leave(db, [request_id])
    db.execute(
        "UPDATE requests SET state = 'spoiled', reason = 'lost', message = ?, retired_ms = NULL, discarded_ms = NULL,"
        " ended_ms = ? WHERE id = ?",
        (message, now_ms, request_id),
    )


def postpone(db: sqlite3.Connection, *, request_id: int, reason: str, message: str, downloads: int) -> None:
    """Record why a paid answer is no picture yet. The request stays answered: a later run finishes it for free."""
    db.execute(
        "UPDATE requests SET reason = ?, message = ?, downloads = downloads + ? WHERE id = ? AND state = 'answered'",
        (reason, message, downloads, request_id),
    )


def spoil(db: sqlite3.Connection, *, request_id: int, reason: str, message: str, downloads: int, now_ms: int) -> None:
    """Record that a paid answer holds no usable picture. The answer's body is kept."""
    db.execute(
        "UPDATE requests SET state = 'spoiled', reason = ?, message = ?, downloads = downloads + ?, ended_ms = ?"
        " WHERE id = ?",
        (reason, message, downloads, now_ms, request_id),
    )


def settle_doubt(db: sqlite3.Connection, *, request_id: int, bill: Bill | None = None) -> None:
    """Record that the last attempt of a request, in doubt or on its way in a dead process, turned out to be billed.

    The attempt counts at its estimate if nobody stated a cost: without a ``bill``.
    """
    db.execute(
        "UPDATE attempts SET outcome = 'billed', maybe_microusd = 0, cost_flag = 'adopted', cost_source = price_source,"
        " estimated_microusd = coalesce(estimate_microusd, 0)"
        " FROM (SELECT price_source, estimate_microusd FROM requests WHERE id = :id)"
        " WHERE outcome IN ('in doubt', 'sent') AND id = (SELECT max(id) FROM attempts WHERE request_id = :id)",
        {"id": request_id},
    )
    if bill is not None:
        db.execute(
            "UPDATE attempts SET billed_microusd = ?, estimated_microusd = ?, cost_flag = ?, cost_source = ?"
            " WHERE id = (SELECT max(id) FROM attempts WHERE request_id = ?) AND outcome = 'billed'",
            (bill.billed_microusd, bill.estimated_microusd, bill.flag, bill.source, request_id),
        )
    db.execute("UPDATE requests SET reason = NULL, message = NULL, status = NULL WHERE id = ?", (request_id,))


def doubt_what_was_sent(db: sqlite3.Connection, *, now_ms: int) -> int:
    """Put in doubt what a process that died had on its way, at the reserved prices; return how many requests."""
    message = "batchgen was killed while the request was on its way"
    db.execute(
        "UPDATE attempts SET outcome = 'in doubt', maybe_microusd = reserved_microusd, reason = 'killed', message = ?"
        " WHERE outcome = 'sent'",
        (message,),
    )
    return db.execute(
        "UPDATE requests SET state = 'in doubt', reason = 'killed', message = ?, ended_ms = ?"
        " WHERE state <> 'stored' AND state = 'sent'",
        (message, now_ms),
    ).rowcount


def _inserted(db: sqlite3.Connection, statement: str, values: Sequence[object]) -> int:
    number = db.execute(statement, values).lastrowid
    assert number is not None
    return number
