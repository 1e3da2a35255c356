"""The names that the lines of an OpenAI Batch file give their requests: answers are looked up by them."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import msgspec

from batchgen.errors import Problem
from batchgen.manifest import Manifest
from batchgen.manifest.row_files import RowFile, open_bytes
from batchgen.manifest.rows.jsonl import JsonlRows
from batchgen.planning.key_list import repeated_numbers
from batchgen.wording import counted, shown

# Nobody reads a longer list of names.
_TOLD = 3
_64_BITS = 2**64 - 1


class _Line(msgspec.Struct, frozen=True):
    custom_id: str
    body: msgspec.Raw


_decode = msgspec.json.Decoder(_Line).decode


def repeated_ids(manifest: Manifest) -> Iterator[Problem]:
    """Yield the names that stand at lines with different bodies; after the first few, how many more there are."""
    rows = manifest.rows
    if not isinstance(rows, JsonlRows):
        return
    names = array("Q", (_number(line.custom_id) for _, line in _lines(rows.path)))
    doubled = repeated_numbers(names)
    found = list(_differing(rows, doubled)) if doubled else []
    yield from found[:_TOLD]
    if len(found) > _TOLD:
        lines = counted(len(found) - _TOLD, "more line names", "more lines name")
        yield Problem(f"{lines} another request than the line before that with the same custom_id", rows.file)


def _differing(rows: JsonlRows, doubled: frozenset[int]) -> Iterator[Problem]:
    first: dict[str, tuple[int, bytes]] = {}
    for number, line in _lines(rows.path):
        if _number(line.custom_id) in doubled:
            before, body = first.setdefault(line.custom_id, (number, bytes(line.body)))
            if bytes(line.body) != body:
                message = f"custom_id {shown(line.custom_id)} names another request at line {before}"
                suggestion = "answers are looked up by it: give each request its own"
                yield Problem(message, f"{rows.file}:{number}", suggestion)


def _lines(file: RowFile) -> Iterator[tuple[int, _Line]]:
    """Yield the lines that have a custom_id and a body; what is wrong with others is told where rows are read."""
    with open_bytes(file) as lines:
        for number, line in enumerate(lines, start=1):
            if b'"custom_id"' in line:
                try:
                    yield number, _decode(line)
                except (msgspec.DecodeError, UnicodeDecodeError):
                    continue


def _number(name: str) -> int:
    return hash(name) & _64_BITS
