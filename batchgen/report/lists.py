"""The lists of the report: runs, errors, requests in doubt, failures, sample pictures."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest
from typing import Any

import msgspec

from batchgen.encoding import json_text
from batchgen.errors import ExitCode
from batchgen.report.shown_pictures import ShownPictures
from batchgen.request import State, read_canonical
from batchgen.store.inputs.copies import InputCopies
from batchgen.store.ledger.records import asked_of, prompt_of
from batchgen.store.looks.flags import Checks, Flag

# The most entries of a list; failures.jsonl and report.csv have all.
SHOWN = 200

# The formats that browsers show as a picture.
_DRAWABLE = frozenset({"png", "jpeg", "webp", "gif", "avif"})


@dataclass(frozen=True, slots=True)
class RunEntry:
    """One run of this folder, with what its own attempts cost.

    ``ended_ms`` is ``None`` during the run, or if it was killed. ``active_ms`` is the time from its start to its end,
    or to its last known event if it has no end.
    """

    number: int
    started_ms: int
    ended_ms: int | None
    active_ms: int
    version: str
    manifest: str
    planned: int
    exit_code: int | None
    reason: str | None
    attempts: int
    billed_microusd: int
    maybe_microusd: int
    estimated_microusd: int


@dataclass(frozen=True, slots=True)
class ErrorExample:
    """The message of one failed attempt, and its request."""

    key: str
    row: int
    model: str
    message: str


@dataclass(frozen=True, slots=True)
class ErrorClass:
    """A class of failed attempts: their number, how many requests still have this error, and up to three examples.

    The examples differ in message or model; ``example`` is the message of the newest.
    """

    name: str
    attempts: int
    requests: int
    example: str
    examples: tuple[ErrorExample, ...]


@dataclass(frozen=True, slots=True)
class Unstored:
    """A request that ended without a picture, or waits."""

    key: str
    state: State
    model: str
    row: int
    prompt: str
    reason: str
    message: str
    status: int | None
    attempts: int
    billed_microusd: int
    maybe_microusd: int


@dataclass(frozen=True, slots=True)
class Sample:
    """A stored picture; ``file`` is relative to the run folder, as is ``edited``, the picture that it was made from."""

    file: str
    edited: str
    model: str
    prompt: str
    width: int | None
    height: int | None
    billed_microusd: int
    estimated_microusd: int


@dataclass(frozen=True, slots=True)
class Ranked:
    """A request that stands out, with its first picture; ``file`` is relative to the run folder.

    If there is no picture to show, ``file`` is empty, and ``instead`` says what happened.
    """

    key: str
    row: int
    model: str
    prompt: str
    latency_ms: int | None
    attempts: int
    spent_microusd: int
    file: str
    instead: str


@dataclass(frozen=True, slots=True)
class Flagged:
    """A picture with flags. ``why`` has them in words, ``twin`` is the file of a duplicate."""

    file: str
    format: str
    model: str
    prompt: str
    asked: str
    got: str
    why: tuple[str, ...]
    twin: str
    problem: str

    @property
    def drawable(self) -> bool:
        """Whether a browser shows it as a picture."""
        return self.format in _DRAWABLE


def read_runs(db: sqlite3.Connection) -> tuple[RunEntry, ...]:
    """Return all runs, the first one first."""
    return tuple(RunEntry(*row) for row in db.execute(_RUNS))


def worth_telling(runs: Sequence[RunEntry]) -> tuple[RunEntry, ...]:
    """Return the runs without those that found everything there and sent nothing; the newest is always among them."""
    return tuple(run for run in runs if run.attempts or run.exit_code != ExitCode.OK or run is runs[-1])


def active_ms(runs: Sequence[RunEntry]) -> int:
    """Return the total working time of the runs that sent something."""
    return sum(run.active_ms for run in runs if run.attempts)


def read_errors(db: sqlite3.Connection) -> tuple[ErrorClass, ...]:
    """Return the classes of all errors so far, the most frequent first."""
    attempts: Counter[str] = Counter()
    met: dict[str, _Examples] = {}
    for query in (_FAILED_ATTEMPTS, _SPOILED_LATER):
        for name, count, _, *example in db.execute(query):
            attempts[name] += count
            met.setdefault(name, _Examples()).add(ErrorExample(*example))
    standing = dict(db.execute(_STANDING))
    errors = []
    for name, count in attempts.items():
        examples = met[name].chosen
        errors.append(ErrorClass(name, count, standing.get(name, 0), examples[0].message, examples))
    return tuple(sorted(errors, key=lambda error: (-error.attempts, error.name)))


class _Examples:
    """Chooses examples, given the newest first: one of each kind of message, then one of each model."""

    def __init__(self) -> None:
        self._by_shape: dict[str, ErrorExample] = {}
        self._by_model: dict[tuple[str, str], ErrorExample] = {}

    def add(self, example: ErrorExample) -> None:
        if len(self._by_shape) < _EXAMPLES:
            # Messages that differ only in a number, a time or an id are of one kind.
            shape = " ".join("#" if any(map(str.isdigit, word)) else word for word in example.message.split())
            self._by_shape.setdefault(shape, example)
            self._by_model.setdefault((shape, example.model), example)

    @property
    def chosen(self) -> tuple[ErrorExample, ...]:
        return tuple(dict.fromkeys([*self._by_shape.values(), *self._by_model.values()]))[:_EXAMPLES]


_EXAMPLES = 3


def read_orphans(db: sqlite3.Connection) -> Mapping[str, Any] | None:
    """Return how many orphans the newest run found, and the first of them: see ``summary.json``."""
    found = db.execute("SELECT orphans FROM runs WHERE orphans IS NOT NULL ORDER BY id DESC LIMIT 1").fetchone()
    orphans: Mapping[str, Any] | None = msgspec.json.decode(found[0]) if found else None
    return orphans


def read_unstored(db: sqlite3.Connection, states: Sequence[State]) -> tuple[Unstored, ...]:
    """Return the first ``SHOWN`` requests in one of ``states``, in the order of the plan."""
    rows = db.execute(_UNSTORED, (json_text(states), SHOWN))
    return tuple(
        Unstored(key, State(state), model, row, prompt_of(canonical), *rest)
        for key, state, model, row, canonical, *rest in rows
    )


def read_samples(db: sqlite3.Connection, numbers: Sequence[int], copies: InputCopies) -> tuple[Sample, ...]:
    """Return the first picture of each of the requests ``numbers``, if a browser can show it."""
    rows = db.execute(_SAMPLES, (json_text(numbers),))
    return tuple(
        Sample(file, _edited(canonical, copies), model, prompt_of(canonical), *rest)
        for kind, file, model, canonical, *rest in rows
        if kind in _DRAWABLE
    )


def _edited(canonical: str, copies: InputCopies) -> str:
    """Return the first of the pictures that a request edits, if a browser can show it; else an empty text."""
    files = copies.files(read_canonical(canonical).image)
    return next((file for file in files if not file.endswith(".tiff")), "")


def read_ranked(db: sqlite3.Connection, numbers: Sequence[int], pictures: ShownPictures) -> tuple[Ranked, ...]:
    """Return the requests ``numbers`` in that order, each with what can be shown of its ``pictures``."""
    found = []
    for key, row, model, canonical, latency_ms, attempts, spent, state, reason, file in db.execute(
        _RANKED, (json_text(numbers),)
    ):
        shown = pictures.of(file) if file else ""
        if state != State.STORED:
            instead = f"{state}: {reason}" if reason else state
        else:
            instead = "" if shown else pictures.absence
        found.append(Ranked(key, row, model, prompt_of(canonical), latency_ms, attempts, spent, shown, instead))
    return tuple(found)


def read_flagged(db: sqlite3.Connection, checks: Checks, count: int) -> tuple[Flagged, ...]:
    """Return up to ``count`` flagged pictures: of every flag in turn, in the order of the ledger within a flag."""
    flags = [(file, int(flag)) for file, flag in checks.flags.items()]
    by_flag = [[file for file, flag in flags if flag & one] for one in map(int, Flag)]
    turns = (file for some in zip_longest(*by_flag) for file in some if file is not None)
    files = list(islice(dict.fromkeys(turns), count))
    rows = db.execute(_FLAGGED, (json_text(files),))
    return tuple(
        Flagged(
            file,
            kind,
            model,
            prompt_of(canonical),
            asked_of(canonical),
            " ".join([f"{width}x{height}" if width else "", kind]).strip(),
            checks.of(file).words,
            checks.twins.get(file, ""),
            checks.problems.get(file, ""),
        )
        for file, kind, model, canonical, width, height in rows
    )


_RANKED = """
SELECT r.key, r.row, r.model, r.canonical, r.latency_ms,
       (SELECT count(*) FROM attempts WHERE request_id = r.id),
       (SELECT coalesce(sum(billed_microusd + estimated_microusd), 0) FROM attempts WHERE request_id = r.id),
       r.state, r.reason, p.file
FROM json_each(?) wanted JOIN requests r ON r.id = wanted.value
LEFT JOIN kept_pictures p ON p.request_id = r.id AND p.ordinal = 1 ORDER BY wanted.key
"""

_FLAGGED = """
SELECT n.file, p.format, r.model, r.canonical, p.width, p.height
FROM json_each(?) wanted JOIN names n ON n.file = wanted.value
JOIN pictures p ON p.request_id = n.request_id AND p.ordinal = n.ordinal JOIN requests r ON r.id = p.request_id
ORDER BY wanted.key
"""

_RUNS = """
SELECT id, started_ms, ended_ms, max(coalesce(ended_ms, seen_ms, started_ms) - started_ms, 0), version, manifest,
       planned, exit_code, reason, coalesce(attempts, 0), coalesce(billed, 0), coalesce(maybe, 0),
       coalesce(estimated, 0)
FROM runs LEFT JOIN (
    SELECT run_id, count(*) AS attempts, max(sent_ms + coalesce(duration_ms, 0)) AS seen_ms,
           sum(billed_microusd) AS billed, sum(maybe_microusd) AS maybe, sum(estimated_microusd) AS estimated
    FROM attempts GROUP BY run_id
) ON run_id = id
ORDER BY id
"""

# All columns but the counts are of the newest attempt: SQLite takes bare columns from the row with the maximum.
_FAILED_ATTEMPTS = """
SELECT a.reason, count(*), max(a.id), r.key, r.row, r.model, coalesce(a.message, '')
FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.reason IS NOT NULL
GROUP BY a.reason, a.message, r.model ORDER BY max(a.id) DESC
"""

# An answer that turned out to be no picture is an error of the request; its attempt ended well.
_SPOILED_LATER = """
SELECT reason, count(*), max(id), key, row, model, coalesce(message, '') FROM requests
WHERE state <> 'stored' AND state = 'spoiled' AND reason IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM attempts WHERE request_id = requests.id AND attempts.reason = requests.reason
)
GROUP BY reason, message, model ORDER BY max(id) DESC
"""

_STANDING = """
SELECT reason, count(*) FROM requests WHERE state <> 'stored' AND reason IS NOT NULL AND retired_ms IS NULL
GROUP BY reason
"""

_UNSTORED = """
SELECT key, state, model, row, canonical, coalesce(reason, ''), coalesce(message, ''), status,
       (SELECT count(*) FROM attempts WHERE request_id = requests.id),
       (SELECT coalesce(sum(billed_microusd), 0) FROM attempts WHERE request_id = requests.id),
       (SELECT coalesce(sum(maybe_microusd), 0) FROM attempts WHERE request_id = requests.id)
FROM requests WHERE state <> 'stored' AND state IN (SELECT value FROM json_each(?)) AND retired_ms IS NULL
ORDER BY position, repeat, id LIMIT ?
"""

_SAMPLES = """
SELECT p.format, p.file, r.model, r.canonical, p.width, p.height,
       (SELECT coalesce(sum(billed_microusd), 0) FROM attempts WHERE request_id = r.id),
       (SELECT coalesce(sum(estimated_microusd), 0) FROM attempts WHERE request_id = r.id)
FROM json_each(?) wanted JOIN requests r ON r.id = wanted.value JOIN kept_pictures p ON p.request_id = r.id
WHERE p.ordinal = 1 ORDER BY wanted.key
"""
