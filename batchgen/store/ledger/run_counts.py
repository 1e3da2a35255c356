"""What the newest run did itself, beside what the whole folder holds: a fact of the ledger, for summary and webhook.

Kept, renamed and restored pictures leave no attempt behind, so no query finds them later.
"""

from __future__ import annotations

import sqlite3
from typing import Any

import msgspec

from batchgen.encoding import json_text

_FACT = "last_run"


class RunCounts(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of one run, of requests but for ``restored`` names and those ``deleted`` by hand or ``missing``.

    ``kept`` were stored before; ``failed`` ended in this run without a picture, and ``left`` are the others that have
    none. ``missing`` names have lost their pictures; ``takes`` of the bought ones are further takes of stored requests.
    """

    run_id: int
    bought: int = 0
    kept: int = 0
    reused: int = 0
    renamed: int = 0
    restored: int = 0
    pruned: int = 0
    failed: int = 0
    left: int = 0
    deleted: int = 0
    missing: int = 0
    takes: int = 0
    billed_microusd: int = 0
    maybe_microusd: int = 0
    estimated_microusd: int = 0

    @property
    def success_rate(self) -> float | None:
        """The share of this run's requests that brought a picture; ``None`` if none ended."""
        ended = self.bought + self.failed
        return self.bought / ended if ended else None


# What summary.json says of the newest run beside its money.
_SHOWN = ("bought", "kept", "reused", "renamed", "restored", "pruned", "failed", "left", "missing")


def shown_counts(counts: RunCounts | None) -> dict[str, Any]:
    """Return the counts by their names, with the rate of success; each ``None`` if the run has not ended."""
    return {name: getattr(counts, name, None) for name in (*_SHOWN, "success_rate")}


def with_money(db: sqlite3.Connection, counts: RunCounts) -> RunCounts:
    """Return ``counts`` with what the run's attempts cost."""
    billed, maybe, estimated = db.execute(
        "SELECT coalesce(sum(billed_microusd), 0), coalesce(sum(maybe_microusd), 0),"
        " coalesce(sum(estimated_microusd), 0) FROM attempts WHERE run_id = ?",
        (counts.run_id,),
    ).fetchone()
    return msgspec.structs.replace(counts, billed_microusd=billed, maybe_microusd=maybe, estimated_microusd=estimated)


def record_counts(db: sqlite3.Connection, counts: RunCounts) -> None:
    """Record what the newest run did."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_FACT, json_text(counts)))


def read_counts(db: sqlite3.Connection) -> RunCounts | None:
    """Return what the newest run did; ``None`` while the run goes on, or if it was killed."""
    row = db.execute("SELECT value FROM facts WHERE name = ?", (_FACT,)).fetchone()
    (newest,) = db.execute("SELECT max(id) FROM runs").fetchone()
    try:
        counts = msgspec.json.decode(row[0], type=RunCounts) if row else None
    except msgspec.MsgspecError:
        # A stranger's folder: these figures are news, and nothing depends on them.
        return None
    return counts if counts is not None and counts.run_id == newest else None
