"""The one dated line that a run leaves in its log: what this run did, not what the folder holds."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING

from batchgen.money import dollars
from batchgen.wording import visible

if TYPE_CHECKING:
    from batchgen.store.ledger.run_counts import RunCounts

# A reason may be a whole list of mistakes.
_LONGEST_REASON = 300


def night_line(name: str, counts: RunCounts | None, *, exit_code: int, reason: str | None, now: datetime) -> str:
    """Return ``2026-11-28 02:55 nightly: 2 bought $0.10, 4 kept, 0 failed``, in local time, with what went wrong."""
    done = ", ".join(_parts(counts)) if counts is not None else "nothing was sent"
    ending = f"; exit code {exit_code}" if exit_code else ""
    return f"{now.astimezone():%Y-%m-%d %H:%M} {visible(name)}: {done}{ending}{_said(reason)}"


def _parts(counts: RunCounts) -> Iterator[str]:
    paid = f" {dollars(counts.billed_microusd)}" if counts.billed_microusd else ""
    yield f"{counts.bought:,} bought{paid}"
    if counts.estimated_microusd:
        yield f"{dollars(counts.estimated_microusd)} estimated"
    yield f"{counts.kept:,} kept"
    for count, word in (
        (counts.reused, "reused"),
        (counts.renamed, "renamed"),
        (counts.restored, "restored"),
        (counts.pruned, "pruned"),
        (counts.deleted, "deleted by hand"),
        (counts.missing, "missing"),
    ):
        if count:
            yield f"{count:,} {word}"
    yield f"{counts.failed:,} failed"
    if counts.maybe_microusd:
        yield f"{dollars(counts.maybe_microusd)} maybe billed"
    if counts.left:
        yield f"{counts.left:,} left"


def _said(reason: str | None) -> str:
    if not reason:
        return ""
    said = visible(reason)
    return f": {said}" if len(said) <= _LONGEST_REASON else f": {said[: _LONGEST_REASON - 1]}…"
