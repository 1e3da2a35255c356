"""The files that make a run folder a dataset: metadata.jsonl, failures.jsonl and the card README.md.

All three are derived from the ledger, replaced in one step each, and may be written again at any time, also while a
run goes on. A name means the same type on every line, so that loaders which guess types from a part of the file guess
right; what is missing is ``null``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice

import msgspec

from batchgen.money import usd
from batchgen.request import State
from batchgen.store.dataset.dataset_card import card
from batchgen.store.folder.atomic import make_folder, replace_synced, replacing
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.trash import MOVED
from batchgen.store.ledger.records import (
    ENDED_OTHERWISE,
    Record,
    RecordedPicture,
    records,
    snapshot,
    timestamp,
    trashed_records,
    withdrawn_records,
    word_names,
)
from batchgen.store.looks.flags import NONE, Checks, Flag, read_checks

FAILURES = "failures.jsonl"
# What failed and is no longer asked for is no failure; its lines are kept where the pictures of its like are.
WITHDRAWN = f"trash/{FAILURES}"

# Every field of a line that isn't a word of the request, with its type in the terms of `datasets`.
BEFORE_WORDS: Mapping[str, str] = {"file_name": "string", "key": "string", "provider": "string", "model": "string"}
AFTER_WORDS: Mapping[str, str] = {
    "repeat": "int64",
    "row": "int64",
    "cost_usd": "float64",
    "cost_source": "string",
    "latency_ms": "int64",
    "request_ms": "int64",
    "total_ms": "int64",
    "attempts": "int64",
    "created_at": "string",
    "width": "int64",
    "height": "int64",
    "duration_ms": "int64",
    "format": "string",
    "bytes": "int64",
    "sha256": "string",
    "revised_prompt": "string",
    "reused_from": "string",
    "flags": "string",
    "simulated": "bool",
}


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """How many lines were written: one per picture, and one per request that ended otherwise."""

    pictures: int
    failures: int


def write_dataset(folder: RunFolder, found: Checks | None = None) -> DatasetFiles:
    """Writes the three files from the ledger as it is now, with the flags ``found``, or of this moment.

    Raises :class:`LedgerDamaged`.

    ``cost_usd`` is what all attempts of a request cost together; where an answer brought several pictures it stands
    with the first and the others have 0, so that the column adds up to the bill.
    """
    with snapshot(folder.ledger) as db:
        simulated = is_simulated(db)
        flags = found or read_checks(db, folder)
        words = tuple(name for name in word_names(db, (State.STORED,)) if not is_taken(name))
        pictures = _write_lines(
            folder,
            "metadata.jsonl",
            (
                _picture_line(
                    record, picture, words, first=not number, simulated=simulated, flag=flags.of(picture.file)
                )
                for record in records(db, (State.STORED,))
                for number, picture in enumerate(record.pictures)
            ),
        )
        failures = _write_lines(folder, FAILURES, map(_failure_line, records(db, ENDED_OTHERWISE)))
        _write_withdrawn(db, folder)
        features = {**BEFORE_WORDS, **dict.fromkeys(words, "string"), **AFTER_WORDS}
        replace_synced(folder.root / "README.md", card(db, folder.root.resolve().name, features, simulated=simulated))
    return DatasetFiles(pictures, failures)


def write_moved(folder: RunFolder, dated: str) -> None:
    """Writes what lies in a folder of the trash, such as ``trash/2026-03-01-020000``, as lines of metadata.jsonl.

    ``was`` is where each picture stood. Where nothing lies there any more the list goes too.
    """
    with snapshot(folder.ledger) as db:
        found = iter(trashed_records(db, dated))
        first = next(found, None)
        if first is None:
            _remove_list(folder, dated)
            return
        simulated = is_simulated(db)
        lines = (
            _picture_line(record, picture, _own_words(record), first=not number, simulated=simulated)
            | {"was": picture.home}
            for record in chain([first], found)
            for number, picture in enumerate(record.pictures)
        )
        make_folder(folder.root / dated, folder.root)
        _write_lines(folder, f"{dated}/{MOVED}", lines)


def _write_withdrawn(db: sqlite3.Connection, folder: RunFolder) -> None:
    found = iter(withdrawn_records(db))
    first = next(found, None)
    if first is None:
        (folder.root / WITHDRAWN).unlink(missing_ok=True)
        with suppress(OSError):
            folder.trash.rmdir()
        return
    make_folder(folder.trash, folder.root)
    _write_lines(folder, WITHDRAWN, map(_failure_line, chain([first], found)))


def _own_words(record: Record) -> tuple[str, ...]:
    return tuple(name for name in record.words if not is_taken(name))


def _remove_list(folder: RunFolder, dated: str) -> None:
    (folder.root / dated / MOVED).unlink(missing_ok=True)
    with suppress(OSError):
        (folder.root / dated).rmdir()


def is_taken(name: str) -> bool:
    """Whether a column of the user can't have this name: it is one of our fields, or means a file to the loaders."""
    return name in TAKEN or name.endswith(("_file_name", "_file_names"))


TAKEN = frozenset({*BEFORE_WORDS, *AFTER_WORDS, "file_names", "image", "images", "video", "videos"})


def is_simulated(db: sqlite3.Connection) -> bool:
    """Whether the pictures of this folder come from the simulator, and its costs are play money."""
    return bool(db.execute("SELECT value FROM facts WHERE name = 'simulated'").fetchone() == ("1",))


def _picture_line(
    record: Record,
    picture: RecordedPicture,
    words: tuple[str, ...],
    *,
    first: bool,
    simulated: bool,
    flag: Flag = NONE,
) -> dict[str, object]:
    cost_microusd = record.billed_microusd + record.estimated_microusd if first else 0
    line: dict[str, object] = {
        "file_name": picture.file,
        "key": record.key,
        "provider": record.provider,
        "model": record.model,
    }
    own = record.words
    for name in words:
        line[name] = own.get(name)
    line |= {
        "repeat": record.repeat,
        "row": record.row,
        "cost_usd": usd(cost_microusd) if record.cost_source else None,
        "cost_source": record.cost_source,
        "latency_ms": record.latency_ms,
        "request_ms": record.request_ms,
        "total_ms": record.total_ms,
        "attempts": record.attempts,
        "created_at": timestamp(record.answered_ms),
        "width": picture.width,
        "height": picture.height,
        "duration_ms": picture.duration_ms,
        "format": picture.format,
        "bytes": picture.bytes,
        "sha256": picture.sha256,
        "revised_prompt": picture.revised_prompt,
        "reused_from": record.reused_from,
        "flags": ", ".join(flag.words) if flag else None,
        "simulated": simulated,
    }
    return line


def _failure_line(record: Record) -> dict[str, object]:
    return {
        "key": record.key,
        "state": record.state,
        "class": record.reason,
        "message": record.message,
        "status": record.status,
        "attempts": record.attempts,
        "billed_usd": usd(record.billed_microusd),
        "maybe_billed_usd": usd(record.maybe_microusd),
        "estimated_usd": usd(record.estimated_microusd),
        "provider": record.provider,
        "model": record.model,
        "parameters": record.parameters,
        "repeat": record.repeat,
        "row": record.row,
        "axes": record.axes,
        "columns": record.columns,
    }


def _write_lines(folder: RunFolder, name: str, lines: Iterable[Mapping[str, object]]) -> int:
    """Writes ``lines`` as JSON and returns how many there were."""
    encoder = msgspec.json.Encoder()
    count = 0
    with replacing(folder.root / name) as stream:
        for group in _groups(lines):
            stream.write(encoder.encode_lines(group))
            count += len(group)
    return count


def _groups(lines: Iterable[Mapping[str, object]]) -> Iterator[list[Mapping[str, object]]]:
    rest = iter(lines)
    while group := list(islice(rest, 500)):
        yield group
