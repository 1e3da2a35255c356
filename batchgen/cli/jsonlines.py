"""A run for programs: each event as one JSON line on stdout; the last line says how the run ended."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

from batchgen.encoding import json_text
from batchgen.running.events import Event, InputsDecoded, Progress, Reading

if TYPE_CHECKING:
    from batchgen.commands.run import RunResult


def write_event(event: Event) -> None:
    """Write ``{"event": "ended", "key": …}``; progress of any kind is left out, since other lines can be counted."""
    if not isinstance(event, Progress | Reading | InputsDecoded):
        _write({"event": type(event).__name__.lower(), **dataclasses.asdict(event)})


def write_ending(ended: RunResult) -> None:
    """Write ``{"event": "finished", "exit_code": …}``, with the requests of the plan by state."""
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
            "withdrawn": ended.withdrawn,
        }
    )


def _write(event: dict[str, object]) -> None:
    sys.stdout.write(f"{json_text(event)}\n")
    sys.stdout.flush()
