"""The files that make a run folder a dataset: metadata.jsonl, its twin dataset.parquet, failures.jsonl and the card.

All are derived from the ledger, replaced in one step each, and may be written again at any time, also while a run goes
on. A name means the same type on every line, so that loaders which guess types from a part of the file guess right; the
twin states them, for loaders that take a text such as 2024-01-02 for a date. What is missing is ``null``.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import msgspec

from batchgen.money import usd
from batchgen.request import INPUT_PATH_END, INPUT_PATHS, State
from batchgen.store.dataset.dataset_card import TABLE, card
from batchgen.store.dataset.parquet_writer import ParquetWriter
from batchgen.store.folder.atomic import replace_synced, replacing
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.inputs.copies import InputCopies
from batchgen.store.ledger import takes
from batchgen.store.ledger.pictures_at import pictures_at
from batchgen.store.ledger.records import (
    ENDED_OTHERWISE,
    Record,
    RecordedPicture,
    Share,
    Sharing,
    is_simulated,
    records,
    snapshot,
    timestamp,
    withdrawn_records,
    word_names,
)
from batchgen.store.looks.flags import NONE, Checks, Flag, read_checks

FAILURES = "failures.jsonl"
# What ended without a picture and is no longer asked for is no failure; it is listed for a ledger that gets lost.
RETIRED = ".batchgen/retired.jsonl"

# So many lines are encoded at once: a row group of the table, too.
_AT_ONCE = 5_000

# Every field of a line that isn't a word of the request, with its type in the terms of `datasets`.
BEFORE_WORDS: Mapping[str, str] = {"file_name": "string", "key": "string", "provider": "string", "model": "string"}
AFTER_WORDS: Mapping[str, str] = {
    "repeat": "int64",
    "row": "int64",
    "cost_usd": "float64",
    "cost_source": "string",
    "input_tokens": "int64",
    "output_tokens": "int64",
    "latency_ms": "int64",
    "latency_source": "string",
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
    "shares": "string",
    "flags": "string",
    "simulated": "bool",
}

# Of folders in which pictures were edited. `datasets` makes of the first a column `input`, with lists of pictures.
INPUT_FILES = "input_file_names"
EDIT_WORDS: Mapping[str, str] = {INPUT_FILES: "images", INPUT_PATHS: "strings"}

# Of folders in which other pictures of stored requests were bought: the take that is shown, and how many there are.
SHOWN_TAKE, TAKES = "take_shown", "takes_bought"
TAKE_WORDS: Mapping[str, str] = {SHOWN_TAKE: "int64", TAKES: "int64"}


@dataclass(frozen=True, slots=True)
class DatasetFiles:
    """How many lines were written: one per picture, and one per request that ended otherwise."""

    pictures: int
    failures: int


def write_dataset(folder: RunFolder, found: Checks | None = None) -> DatasetFiles:
    """Write the files from the ledger as it is now, with the flags ``found``, or of this moment.

    Raises :class:`LedgerDamaged`.

    Every name in ``images/`` has a line, with the columns of the row that it is for. ``cost_usd`` is what all attempts
    of a request cost together; that sum stands in the first line of the request, and the others have 0, so that the
    column adds up to the bill. A further name of a picture, for a row that asks for the same, says so in ``shares``.
    """
    with snapshot(folder.ledger) as db:
        simulated = is_simulated(db)
        in_bucket = pictures_at(db) is not None
        flags = found or read_checks(db, folder)
        names = word_names(db, (State.STORED,))
        words = tuple(name for name in names if not is_taken(name))
        edits = Edits(InputCopies(folder)) if "inputs" in names else None
        sharing = Sharing(db)
        several = takes.numbers(db)
        features = {
            **BEFORE_WORDS,
            **dict.fromkeys(words, "string"),
            **AFTER_WORDS,
            **(EDIT_WORDS if edits else {}),
            **(TAKE_WORDS if several else {}),
        }
        pictures = _write_table(
            folder,
            features,
            (
                line.fields | _take_fields(several, record)
                for record in records(db, (State.STORED,))
                for line in lines_of(
                    record,
                    sharing.of(record),
                    words,
                    simulated=simulated,
                    flags=flags,
                    edits=edits,
                    in_bucket=in_bucket,
                )
            ),
        )
        failures = _write_lines(folder, FAILURES, map(_failure_line, records(db, ENDED_OTHERWISE)))
        _write_lines(folder, RETIRED, map(_failure_line, withdrawn_records(db)))
        copies = edits is not None and bool(edits.copies)
        _write_card(folder, db, features, simulated=simulated, copies=copies)
    return DatasetFiles(pictures, failures)


def _take_fields(several: Mapping[int, tuple[int, int]], record: Record) -> dict[str, object]:
    """Return the takes of a request, if the folder has requests with several."""
    return dict(zip(TAKE_WORDS, several.get(record.number, (1, 1)), strict=True)) if several else {}


def _write_card(
    folder: RunFolder, db: sqlite3.Connection, features: Mapping[str, str], *, simulated: bool, copies: bool
) -> None:
    path = folder.root / "README.md"
    before = path.read_bytes() if path.is_file() and not path.is_symlink() else None
    name = folder.root.resolve().name
    with (folder.root / TABLE).open("rb") as table:
        digest = hashlib.file_digest(table, "sha256").hexdigest()
    text = card(db, name, features, table_sha256=digest, simulated=simulated, copies=copies, before=before)
    replace_synced(path, text)


def is_taken(name: str) -> bool:
    """Return whether no column of the user can have this name: one of our fields, or a file to the loaders."""
    return name in TAKEN or name.endswith(("_file_name", "_file_names"))


TAKEN = frozenset(
    {*BEFORE_WORDS, *AFTER_WORDS, "file_names", "image", "images", "video", "videos", INPUT_PATHS, *TAKE_WORDS}
)


@dataclass(frozen=True, slots=True)
class Edits:
    """What a folder in which pictures were edited says of them in each line: lists, also of a single one."""

    copies: InputCopies

    def fields(self, record: Record) -> dict[str, object]:
        written = record.columns.get(INPUT_PATHS)
        return {
            INPUT_PATHS: written.split(INPUT_PATH_END) if written else [],
            INPUT_FILES: self.copies.files(record.parameters.get("inputs", "").split()),
        }


def listed_words(db: sqlite3.Connection) -> tuple[str, ...]:
    """Return the names of the words that stand in every line of a folder's pictures, between our own fields."""
    return tuple(name for name in word_names(db, (State.STORED,)) if not is_taken(name))


class MetadataLine(NamedTuple):
    """One line of metadata.jsonl: a picture under one name, and the request as the row of that name ``asked`` for it.

    ``place`` counts the names of the picture, from 0.
    """

    picture: RecordedPicture
    asked: Record
    place: int
    fields: dict[str, object]


def lines_of(
    record: Record,
    shares: Sequence[Share],
    words: Sequence[str],
    *,
    simulated: bool,
    flags: Checks,
    edits: Edits | None = None,
    in_bucket: bool = False,
) -> Iterator[MetadataLine]:
    """Return the lines of a stored request: one for each name of each of its pictures. The first has the bill.

    A picture ``in_bucket`` is called by its object there, which lies beside the lines.
    """
    first = True
    for picture in record.pictures:
        flag = flags.of(picture.file)
        rows = [(share.record, share.file) for share in shares if share.ordinal == picture.ordinal]
        if picture.named_first or not rows:
            rows.insert(0, (record, picture.file))
        for place, (asked, file) in enumerate(rows):
            called = f"pictures/{picture.original}" if in_bucket else file
            fields = _picture_line(asked, picture, called, words, first=first, simulated=simulated, flag=flag)
            first = False
            fields |= edits.fields(asked) if edits else {}
            yield MetadataLine(picture, asked, place, fields | {"shares": record.key} if place else fields)


def _picture_line(
    record: Record,
    picture: RecordedPicture,
    file: str,
    words: Sequence[str],
    *,
    first: bool,
    simulated: bool,
    flag: Flag = NONE,
) -> dict[str, object]:
    cost_microusd = record.billed_microusd + record.estimated_microusd if first else 0
    line: dict[str, object] = {
        "file_name": file,
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
        "input_tokens": record.input_tokens if first else None,
        "output_tokens": record.output_tokens if first else None,
        "latency_ms": record.latency_ms,
        "latency_source": record.latency_source,
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
        "shares": None,
        "flags": ", ".join(flag.words) if flag else None,
        "simulated": simulated,
    }
    return line


def _failure_line(record: Record) -> dict[str, object]:
    return {
        "key": record.key,
        **({"take": record.take} if record.take > 1 else {}),
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


def _write_table(folder: RunFolder, features: Mapping[str, str], lines: Iterable[Mapping[str, object]]) -> int:
    """Write ``lines`` as JSON and as Parquet, and return how many there were."""
    encoder = msgspec.json.Encoder()
    count = 0
    with replacing(folder.root / "metadata.jsonl") as text, replacing(folder.root / TABLE) as binary:
        table = ParquetWriter(binary, features)
        for group in _groups(lines):
            text.write(encoder.encode_lines(group))
            table.write(group)
            count += len(group)
        table.close()
    return count


def _write_lines(folder: RunFolder, name: str, lines: Iterable[Mapping[str, object]]) -> int:
    """Write ``lines`` as JSON and return how many there were."""
    encoder = msgspec.json.Encoder()
    count = 0
    with replacing(folder.root / name) as stream:
        for group in _groups(lines):
            stream.write(encoder.encode_lines(group))
            count += len(group)
    return count


def _groups(lines: Iterable[Mapping[str, object]]) -> Iterator[list[Mapping[str, object]]]:
    rest = iter(lines)
    while group := list(islice(rest, _AT_ONCE)):
        yield group
