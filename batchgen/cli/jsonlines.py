"""A run for programs: each event as one JSON line on stdout, with its time; the last line says how the run ended."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from batchgen.encoding import json_text
from batchgen.money import usd
from batchgen.running.events import Event, FinalStep, InputsDecoded, PlanReading, Progress
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.ledger.records import timestamp
from batchgen.store.ledger.run_counts import shown_counts

if TYPE_CHECKING:
    from batchgen.commands.run import RunResult


def write_event(event: Event) -> None:
    """Write ``{"event": "ended", "at": …, "key": …}``; progress of any kind is left out: other lines can be counted."""
    if not isinstance(event, Progress | PlanReading | InputsDecoded | FinalStep):
        _write(type(event).__name__.lower(), dataclasses.asdict(event))


def write_ending(ended: RunResult, text: str) -> None:
    """Write ``{"event": "finished", …}``: the dated line, the run's own figures, and the plan's requests by state."""
    counts = ended.counts
    _write(
        "finished",
        {
            "text": text,
            "folder": str(ended.folder),
            "exit_code": int(ended.exit_code),
            "reason": ended.reason,
            "states": {state.value: count for state, count in ended.states.items()},
            "equal": ended.equal,
            "orphans": ended.orphans.count if ended.orphans else None,
            "pruned": ended.pruned,
            "withdrawn": ended.withdrawn,
            **shown_counts(counts),
            "billed_microusd": counts.billed_microusd if counts else None,
            "billed_usd": usd(counts.billed_microusd) if counts else None,
            "maybe_billed_microusd": counts.maybe_microusd if counts else None,
            "maybe_billed_usd": usd(counts.maybe_microusd) if counts else None,
            "estimated_microusd": counts.estimated_microusd if counts else None,
            "estimated_usd": usd(counts.estimated_microusd) if counts else None,
        },
    )


def _write(name: str, fields: dict[str, object]) -> None:
    sys.stdout.write(f"{json_text({'event': name, 'at': timestamp(now_ms()), **fields})}\n")
    sys.stdout.flush()
