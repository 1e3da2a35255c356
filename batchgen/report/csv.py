"""report.csv: one row per touched request, for spreadsheets, however it ended.

A cell that a spreadsheet would take for a formula gets an apostrophe in front (CWE-1236); metadata.jsonl has the text
as it is. Amounts are exact, with six places. The file begins with a byte order mark: without one Excel reads it in the
system's old code page, and `ü` as `Ã¼`.
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import pandas as pd

from batchgen.money import MICROUSD
from batchgen.report.frame import MONEY, TOKENS
from batchgen.store.dataset.metadata import AFTER_WORDS, BEFORE_WORDS
from batchgen.store.folder.atomic import replacing
from batchgen.store.ledger.records import timestamp, word_names, words_of
from batchgen.store.looks.flags import Checks

_BEFORE_WORDS = ("key", "state", "provider", "model", "row", "repeat")
_AFTER_WORDS = (
    "attempts",
    "billed_usd",
    "maybe_billed_usd",
    "estimated_usd",
    "cost_source",
    "input_tokens",
    "output_tokens",
    "latency_ms",
    "latency_source",
    "total_ms",
    "pictures",
    "answered_at",
    "file_name",
    "flags",
    "reason",
    "message",
    "status",
)

# Also the full-width forms, which spreadsheets of East Asian locales read as the same characters.
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def write_csv(db: sqlite3.Connection, frame: pd.DataFrame, checks: Checks, target: Path) -> None:
    """Write ``target`` from the texts in the ledger, the sums in ``frame`` and the flags in ``checks``.

    The rows are in the order of the first attempts.
    """
    words = _own_words(db)
    with replacing(target) as raw:
        stream = io.TextIOWrapper(raw, encoding="utf-8-sig", newline="")
        writer = csv.writer(_LineFeeds(stream))
        writer.writerow([*_BEFORE_WORDS, *map(inert, words.values()), *_AFTER_WORDS])
        writer.writerows(_rows(db, frame, checks, tuple(words)))
        stream.detach()


class _LineFeeds:
    """Ends each row with a line feed.

    The csv module quotes a bare carriage return only if rows end with one, and readers take an unquoted one for the
    end of a row.
    """

    def __init__(self, stream: io.TextIOWrapper) -> None:
        self._stream = stream

    def write(self, row: str) -> int:
        return self._stream.write(row.removesuffix("\r\n") + "\n")


def inert(text: str | None) -> str | None:
    """Return ``text`` as a cell that every spreadsheet takes for text."""
    return f"'{text}" if text and text[0] in _FORMULA else text


# Cached, since most pictures cost the same as the one before.
@lru_cache(maxsize=65_536)
def decimal(amount_microusd: int) -> str:
    """Return the amount in USD with exactly six decimals."""
    return f"{amount_microusd // MICROUSD}.{amount_microusd % MICROUSD:06d}"


_TEXTS = """
SELECT r.key, iif(r.retired_ms IS NULL OR r.state = 'stored', r.state, 'withdrawn'), r.provider, r.model, r.row,
       r.repeat, r.canonical, r.axes, r.columns, r.latency_ms, r.latency_source,
       max(r.ended_ms - r.first_sent_ms, 0), r.answered_ms, p.file, r.reason, r.message, r.status
FROM requests r LEFT JOIN kept_pictures p ON p.request_id = r.id AND p.ordinal = 1 ORDER BY r.id
"""


def _own_words(db: sqlite3.Connection) -> dict[str, str]:
    """Return the words that get a column, each with its heading, which differs from the names of our own columns."""
    ours = {*_BEFORE_WORDS, *_AFTER_WORDS}
    names = [name for name in word_names(db) if name not in {*BEFORE_WORDS, *AFTER_WORDS}]
    return {name: f"{name}_column" if name in ours else name for name in names}


def _rows(db: sqlite3.Connection, frame: pd.DataFrame, checks: Checks, words: Sequence[str]) -> Iterator[list[object]]:
    # The frame was read from the same snapshot in the same order: its sums need no second join.
    columns = (frame.index, *(frame[name] for name in ("attempts", *MONEY, "cost_source", *TOKENS, "pictures")))
    flags = checks.requests
    sums = zip(*(column.tolist() for column in columns), strict=True)
    for texts, (number, attempts, *money, source, tokens_in, tokens_out, pictures) in zip(
        db.execute(_TEXTS), sums, strict=True
    ):
        key, state, provider, model, row, repeat, canonical, axes, columns, *rest = texts
        latency_ms, latency_source, total_ms, answered_ms, file, reason, message, status = rest
        own = words_of(canonical, axes, columns)
        yield [
            key,
            state,
            inert(provider),
            inert(model),
            row,
            repeat,
            *[inert(own.get(name)) for name in words],
            attempts,
            *map(decimal, money),
            inert(source),
            tokens_in or None,
            tokens_out or None,
            latency_ms,
            latency_source,
            total_ms,
            pictures,
            timestamp(answered_ms),
            inert(file),
            ", ".join(flags[number].words) if number in flags else "",
            inert(reason),
            inert(message),
            status,
        ]
