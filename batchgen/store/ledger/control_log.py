"""What people said to the runs of a folder while they went on: who raised a budget, and when."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import msgspec

_FACT = "control "


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """One instruction as a run took it: when, whose it was, and what became of it. ``id`` is its sender's name for it.

    One that was not ``accepted`` changed nothing, and ``outcome`` says why.
    """

    at_ms: int
    user: str
    id: str
    instruction: str
    accepted: bool
    outcome: str


def record(db: sqlite3.Connection, run_id: int, number: int, acknowledgement: Acknowledgement) -> None:
    """Keep one acknowledgement of a run; ``number`` is its place among them."""
    value = msgspec.json.encode(asdict(acknowledgement)).decode()
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (f"{_FACT}{run_id} {number:06d}", value))


def recorded(db: sqlite3.Connection, run_id: int) -> Sequence[Acknowledgement]:
    """Return what a run acknowledged, in order. Raise ``msgspec.MsgspecError`` for what batchgen did not write."""
    rows = db.execute("SELECT value FROM facts WHERE name GLOB ? ORDER BY name", (f"{_FACT}{run_id} [0-9]*",))
    return [msgspec.json.decode(value, type=Acknowledgement) for (value,) in rows]
