"""Entries as the page reads them: columns of numbers over one dictionary of texts, and details that load on demand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from batchgen.compare.entries import Entry, Shot
from batchgen.compare.versions import Version
from batchgen.request import PARAMETERS
from batchgen.store.inputs.copies import InputCopies
from batchgen.store.looks.flags import Flag
from batchgen.store.looks.worker import Look

# Stands for no text, no time, no cost.
NOTHING = -1


# A flag beside those of the store: the ledger has the picture, the folder has not.
GONE = max(Flag) << 1


class PlacedEntry(msgspec.Struct, frozen=True):
    """One entry with what was seen of its picture; ``place`` is its number on the page, for good.

    ``flags`` are those of :class:`~batchgen.store.looks.flags.Flag` and ``GONE``. ``edited`` are the files of the
    pictures that the entry was made from. ``version`` says which of two folders it is of, if the page shows two.
    """

    place: int
    entry: Entry
    look: Look | None
    flags: int
    edited: tuple[str, ...] = ()
    version: Version | None = None

    @property
    def base(self) -> str:
        """The address of the entry's folder, as the page sees it."""
        return self.version.base if self.version else ""


def edited_by(entry: Entry, copies: InputCopies) -> tuple[str, ...]:
    """Return the files of the pictures that an entry was made from, relative to the run folder."""
    return tuple(copies.files(entry.words.get("inputs", "").split()))


def batch(rows: Sequence[PlacedEntry]) -> dict[str, Any]:
    """Return what the page needs of every entry for layout, filters and counts: see ``page/table.js``."""
    texts = _Texts()
    entries = [row.entry for row in rows]
    return {
        "at": [row.place for row in rows],
        "dimensions": [*_versions(rows, texts), *_dimensions(entries, texts)],
        "state": [texts.code(entry.state) for entry in entries],
        "reason": [texts.code(entry.reason) for entry in entries],
        "position": [entry.position for entry in entries],
        "cost": [_cost_microusd(entry) for entry in entries],
        "maybe": [entry.maybe_microusd for entry in entries],
        "source": [texts.code(entry.cost_source) for entry in entries],
        "latency": [_number(entry.latency_ms) for entry in entries],
        "flags": [row.flags for row in rows],
        "thumb": [int(row.look is not None and not row.look.problem) for row in rows],
        "twin": [_twin(row) for row in rows],
        "strings": texts.all,
    }


def details(rows: Sequence[PlacedEntry]) -> dict[str, Any]:
    """Return what only a cell in sight needs: digests, files, messages, sizes."""
    entries = [row.entry for row in rows]
    shots = [entry.shot or _NO_SHOT for entry in entries]
    return {
        "at": [row.place for row in rows],
        "key": [entry.key for entry in entries],
        "base": [row.base for row in rows],
        "file": [f"{row.base}{shot.file}" if shot.file else "" for row, shot in zip(rows, shots, strict=True)],
        "sha256": [shot.sha256 for shot in shots],
        "format": [shot.format for shot in shots],
        "bytes": [shot.bytes for shot in shots],
        "width": [shot.width or 0 for shot in shots],
        "height": [shot.height or 0 for shot in shots],
        "revised": [shot.revised_prompt or "" for shot in shots],
        "message": [entry.message or "" for entry in entries],
        "status": [entry.status or 0 for entry in entries],
        "attempts": [entry.attempts for entry in entries],
        "total": [_number(entry.total_ms) for entry in entries],
        "answered": [_number(entry.answered_ms) for entry in entries],
        "estimated": [entry.estimated_microusd for entry in entries],
        "clock": [entry.latency_source or "" for entry in entries],
        "edited": [[f"{row.base}{file}" for file in row.edited] for row in rows],
        "take": [entry.take for entry in entries],
    }


_NO_SHOT = Shot(
    ordinal=0,
    file="",
    original="",
    named_first=True,
    sha256="",
    bytes=0,
    format="",
    width=None,
    height=None,
    revised_prompt=None,
)


class _Texts:
    """Numbers for texts, in the order they come."""

    def __init__(self) -> None:
        self._codes: dict[str, int] = {}

    def code(self, text: str | None) -> int:
        return NOTHING if text is None else self._codes.setdefault(text, len(self._codes))

    @property
    def all(self) -> list[str]:
        return list(self._codes)


def _versions(rows: Sequence[PlacedEntry], texts: _Texts) -> list[dict[str, Any]]:
    """Return what rows and columns can stand for if the page shows two folders."""
    if not any(row.version for row in rows):
        return []
    versions = [row.version or Version("", "", "") for row in rows]
    return [
        {"kind": "version", "name": "folder", "codes": [texts.code(one.name) for one in versions]},
        {"kind": "version", "name": "request", "codes": [texts.code(one.request) for one in versions]},
    ]


def _dimensions(entries: Sequence[Entry], texts: _Texts) -> list[dict[str, Any]]:
    """Return everything that rows or columns can stand for; of two with one name the page offers the first.

    The kinds say where a value comes from: a titled axis, what was sent, the user's own column, or the plan's counts.
    """
    found: list[tuple[str, str, list[str | None]]] = [
        *(("axis", name, [entry.axes.get(name) for entry in entries]) for name in _names(entries, "axes")),
        ("model", "model", [entry.model for entry in entries]),
        *(("parameter", name, [entry.words.get(name) for entry in entries]) for name in _names(entries, "words")),
        *(("column", name, [entry.columns.get(name) for entry in entries]) for name in _names(entries, "columns")),
        ("count", "repeat", [str(entry.repeat) for entry in entries]),
        ("count", "picture", [str(entry.ordinal) for entry in entries]),
        ("provider", "provider", [entry.provider for entry in entries]),
        ("count", "row", [str(entry.row) for entry in entries]),
    ]
    return [
        {"kind": kind, "name": name, "codes": [texts.code(value) for value in values]} for kind, name, values in found
    ]


def _names(entries: Sequence[Entry], field: str) -> list[str]:
    names: dict[str, None] = {}
    for entry in entries:
        names.update(dict.fromkeys(getattr(entry, field)))
    return sorted(names, key=_place) if field == "words" else list(names)


def _place(name: str) -> tuple[int, str]:
    return (PARAMETERS.index(name) if name in PARAMETERS else len(PARAMETERS), name)


def _cost_microusd(entry: Entry) -> int:
    """Return what an entry cost, billed or estimated; ``NOTHING`` if nobody knows."""
    cost = entry.billed_microusd + entry.estimated_microusd
    return cost if cost or entry.cost_source else NOTHING


def _twin(row: PlacedEntry) -> int:
    """Return a number that copies of one picture share, 0 without copies: 52 bits of the digest, for JavaScript."""
    if row.entry.shot is None or not row.flags & Flag.DUPLICATE:
        return 0
    return int(row.entry.shot.sha256[:13], 16)


def _number(value: int | None) -> int:
    return NOTHING if value is None else value
