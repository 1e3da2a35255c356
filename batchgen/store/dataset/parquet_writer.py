"""Parquet, as much of the format as a table of a dataset needs: its types are stated, so no reader guesses them.

JSON lines can't say that `2024-01-02` is text: pyarrow, and with it `datasets`, and DuckDB make a date of it. A library
that writes Parquet takes 40 to 130 MB; what is used of the format here fits on two pages. Every value may be missing;
pages are plain and compressed with gzip, which all readers know.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, BinaryIO

import numpy as np

_MAGIC = b"PAR1"
_GZIP = 2
_PLAIN, _RLE = 0, 3
_REQUIRED, _OPTIONAL, _REPEATED = 0, 1, 2
_UTF8, _LIST = 0, 3
_LENGTH = struct.Struct("<I")
# A quick pass finds most of what repeats: constant columns, prompts with common words.
_LEVEL = 1

Line = Mapping[str, object]


class ParquetWriter:
    """Write lines to ``stream`` as one table; ``columns`` are the names with their types in the terms of `datasets`.

    ``strings`` are lists of texts, and ``images`` lists of the names of files.

    Each call of :meth:`write` makes one row group; :meth:`close` ends the file.
    """

    def __init__(self, stream: BinaryIO, columns: Mapping[str, str]) -> None:
        self._stream = stream
        self._columns = {name: _KINDS[kind] for name, kind in columns.items()}
        self._place = 0
        self._rows = 0
        self._groups: list[_Struct] = []
        self._put(_MAGIC)

    def write(self, lines: Sequence[Line]) -> None:
        """Write the next row group."""
        chunks = [self._chunk(name, kind, [line[name] for line in lines]) for name, kind in self._columns.items()]
        size = sum(raw_bytes for _, raw_bytes in chunks)
        self._groups.append([(1, [chunk for chunk, _ in chunks]), (2, _Long(size)), (3, _Long(len(lines)))])
        self._rows += len(lines)

    def close(self) -> None:
        """Write what a reader looks for at the end: the names, types and places of everything."""
        root: _Struct = [(4, b"schema"), (5, len(self._columns))]
        parts = [part for name, kind in self._columns.items() for part in self._schema(name, kind)]
        footer = _struct([(1, 1), (2, [root, *parts]), (3, _Long(self._rows)), (4, self._groups), (6, b"batchgen")])
        self._put(footer + struct.pack("<I", len(footer)) + _MAGIC)

    @staticmethod
    def _schema(name: str, kind: _Kind) -> list[_Struct]:
        text: _Struct = [(6, _UTF8)] if kind.is_text else []
        if not kind.is_list:
            return [[(1, kind.physical), (3, _OPTIONAL), (4, name.encode()), *text]]
        return [
            [(3, _OPTIONAL), (4, name.encode()), (5, 1), (6, _LIST)],
            [(3, _REPEATED), (4, b"list"), (5, 1)],
            [(1, kind.physical), (3, _REQUIRED), (4, b"element"), *text],
        ]

    def _chunk(self, name: str, kind: _Kind, values: Sequence[object]) -> tuple[_Struct, int]:
        """Write the values of one column and return how they are described, with their bytes before compression."""
        if kind.is_list:
            count, levels, present = _list_levels(values)
        else:
            present = [value for value in values if value is not None]
            count, levels = len(values), _levels(values, len(present))
        raw = levels + kind.plain(present)
        packed = _gzipped(raw)
        about: _Struct = [(1, count), (2, _PLAIN), (3, _RLE), (4, _RLE)]
        header = _struct([(1, 0), (2, len(raw)), (3, len(packed)), (5, about)])
        place = self._place
        self._put(header + packed)
        described: _Struct = [
            (1, kind.physical),
            (2, [_PLAIN, _RLE]),
            (3, [name.encode(), *((b"list", b"element") if kind.is_list else ())]),
            (4, _GZIP),
            (5, _Long(count)),
            (6, _Long(len(header) + len(raw))),
            (7, _Long(len(header) + len(packed))),
            (9, _Long(place)),
        ]
        return [(2, _Long(place)), (3, described)], len(header) + len(raw)

    def _put(self, data: bytes) -> None:
        self._stream.write(data)
        self._place += len(data)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A type of values: its number in the format, and how values that are there are laid out."""

    physical: int
    plain: Callable[[Sequence[Any]], bytes]
    is_text: bool = False
    is_list: bool = False


def _texts(values: Sequence[str]) -> bytes:
    # Most columns hold few different texts: each is encoded once.
    laid_out = {value: _text(value.encode()) for value in dict.fromkeys(values)}
    return b"".join(map(laid_out.__getitem__, values))


def _text(text: bytes) -> bytes:
    return _LENGTH.pack(len(text)) + text


_KINDS = {
    "string": _Kind(6, _texts, is_text=True),
    "int64": _Kind(2, lambda values: np.asarray(values, dtype="<i8").tobytes()),
    "float64": _Kind(5, lambda values: np.asarray(values, dtype="<f8").tobytes()),
    "strings": _Kind(6, _texts, is_text=True, is_list=True),
    "images": _Kind(6, _texts, is_text=True, is_list=True),
    "bool": _Kind(0, lambda values: np.packbits(np.asarray(values, dtype=bool), bitorder="little").tobytes()),
}


def _levels(values: Sequence[object], present: int) -> bytes:
    """Return which values are there: one run if all or none are, else a bit for each."""
    if present in {0, len(values)}:
        levels = _varint(len(values) << 1) + bytes([present > 0])
    else:
        bits = np.packbits([value is not None for value in values], bitorder="little").tobytes()
        levels = _varint(len(bits) << 1 | 1) + bits
    return struct.pack("<I", len(levels)) + levels


def _list_levels(lists: Sequence[Any]) -> tuple[int, bytes, list[Any]]:
    """Return how many entries ``lists`` make, which of those begin a list and which are there, and all values."""
    begins: list[int] = []
    there: list[int] = []
    values: list[Any] = []
    for one in lists:
        begins += [0, *[1] * (len(one or ()) - 1)]
        # 0 is a missing list, 1 an empty one.
        there += [2] * len(one) if one else [0 if one is None else 1]
        values += one or ()
    return len(begins), _runs(begins) + _runs(there), values


def _runs(levels: Sequence[int]) -> bytes:
    runs = b"".join(_varint(len([*run]) << 1) + bytes([level]) for level, run in groupby(levels))
    return struct.pack("<I", len(runs)) + runs


def _gzipped(raw: bytes) -> bytes:
    packer = zlib.compressobj(_LEVEL, wbits=31)
    return packer.compress(raw) + packer.flush()


# Headers are structures of Thrift's compact protocol: fields with ascending numbers, and a type that follows the value.


class _Long(int):
    """A number of 64 bits; a plain ``int`` is one of 32."""


_Struct = list[tuple[int, Any]]
_THRIFT_I32, _THRIFT_I64, _THRIFT_BINARY, _THRIFT_LIST, _THRIFT_STRUCT = 5, 6, 8, 9, 12


def _struct(fields: Iterable[tuple[int, Any]]) -> bytes:
    parts, last = [], 0
    for number, value in fields:
        kind, data = _encoded(value)
        parts += [bytes([number - last << 4 | kind]), data]
        last = number
    return b"".join([*parts, b"\0"])


def _encoded(value: Any) -> tuple[int, bytes]:
    if isinstance(value, int):
        return _THRIFT_I64 if isinstance(value, _Long) else _THRIFT_I32, _varint(value << 1)
    if isinstance(value, bytes):
        return _THRIFT_BINARY, _varint(len(value)) + value
    if value and isinstance(value[0], tuple):
        return _THRIFT_STRUCT, _struct(value)
    return _THRIFT_LIST, _list(value)


def _list(values: Sequence[Any]) -> bytes:
    encoded = [_encoded(value) for value in values]
    kind = encoded[0][0] if encoded else _THRIFT_STRUCT
    head = bytes([len(values) << 4 | kind]) if len(values) < 15 else bytes([0xF0 | kind]) + _varint(len(values))
    return head + b"".join(data for _, data in encoded)


def _varint(number: int) -> bytes:
    parts = []
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*parts, number])
