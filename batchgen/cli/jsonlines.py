"""A run for machines: each event as one JSON line on standard output, the last one with how it ended."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import msgspec

from batchgen.running.events import Event, Progress

if TYPE_CHECKING:
    from batchgen.api import RunReport


def write_event(event: Event) -> None:
    """``{"event": "ended", "key": …}``; progress is left out, since every line of it can be counted from the others."""
    if not isinstance(event, Progress):
        _write({"event": type(event).__name__.lower(), **dataclasses.asdict(event)})


def write_ending(ended: RunReport) -> None:
    """``{"event": "finished", "exit_code": …}``, with the requests of the plan by state."""
    _write(
        {
            "event": "finished",
            "folder": str(ended.folder),
            "exit_code": int(ended.exit_code),
            "reason": ended.reason,
            "states": {state.value: count for state, count in ended.states.items()},
            "equal": ended.equal,
            "orphans": ended.orphans.count if ended.orphans else None,
            "pruned": ended.pruned,
            "returned": ended.returned,
            "withdrawn": ended.withdrawn,
        }
    )


def _write(event: dict[str, object]) -> None:
    sys.stdout.write(f"{msgspec.json.encode(event).decode()}\n")
    sys.stdout.flush()
