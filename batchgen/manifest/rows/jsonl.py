"""Rows of a JSONL file, one object a line; the lines of an OpenAI Batch file are read as they are."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from batchgen.errors import nearest
from batchgen.manifest.row_files import RowFile, open_bytes, open_text
from batchgen.manifest.rows.interface import Broken, Row, file_fingerprint
from batchgen.manifest.text_files import not_utf8
from batchgen.manifest.values import PARAMETERS, Value
from batchgen.wording import shown

_HALF = re.compile("[\ud800-\udfff]")
_BATCH_ENDPOINTS = ("/images/generations", "/images/edits")
_BATCH_LINE = frozenset({"method", "url", "body"})
_BATCH_BODY = frozenset({*PARAMETERS, "n"}) - {"seconds"}
# Names who asks, not what for.
_BATCH_IGNORED = frozenset({"user"})


@dataclass(frozen=True, slots=True)
class JsonlRows:
    """One row per line of ``path`` that is not blank; ``file`` is its name in messages.

    ``declared`` are further parameters that the body of a batch line may hold.
    """

    path: RowFile
    file: str
    declared: frozenset[str] = frozenset()

    @property
    def columns(self) -> None:
        """``None``: every line names its own columns."""
        return

    def __iter__(self) -> Iterator[Row]:
        broken = Broken()
        number = 0
        told: set[str] = set()
        try:
            with open_text(self.path, newline="\n") as lines:
                for line, text in enumerate(lines, start=1):
                    if text.isspace():
                        continue
                    number += 1
                    place = f"{self.file}:{line}"
                    try:
                        values = _values(text, self.declared)
                    except _BadLineError as error:
                        if isinstance(error, _UnknownFieldError) and error.message in told:
                            continue
                        told.add(error.message)
                        broken.add(f"{place}{error.column}", error.message, error.suggestion)
                        continue
                    yield Row(number, self.file, line, values)
        except UnicodeDecodeError:
            raise not_utf8(self.path, self.file) from None
        broken.raise_if_any()

    def count(self) -> int:
        with open_bytes(self.path) as lines:
            return sum(1 for line in lines if not line.isspace())

    def fingerprint(self) -> str:
        return file_fingerprint(self.path)


class _BadLineError(ValueError):
    """A line that is no row; ``column`` is empty or, with its colon, the column of the mistake."""

    def __init__(self, message: str, suggestion: str = "", column: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion
        self.column = column


class _UnknownFieldError(_BadLineError):
    """A field of the body that the service does not take; told once, since every line of the file may have it."""

    def __init__(self, name: str, known: frozenset[str]) -> None:
        allowed = f"it may hold {', '.join(sorted(known))}; a column of your own stands beside body"
        super().__init__(
            f"body.{name} is not supported: the service takes no {shown(name)}", nearest(name, known) or allowed
        )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) != len(pairs):
        ((twice, _),) = Counter(name for name, _ in pairs).most_common(1)
        raise _BadLineError(f"the name {shown(twice)} stands twice in an object")
    return record


# Numbers keep the digits they were written with.
_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=str, parse_float=str, parse_constant=str)


def _values(line: str, declared: frozenset[str]) -> dict[str, Value]:
    record = _record(line)
    # Only an escape can bring a half of a character into valid UTF-8.
    if "\\u" in line and (half := _HALF.search(json.dumps(record, ensure_ascii=False))):
        raise _BadLineError(f"the line holds {shown(half[0])}, half a character, which can't be written to a file")
    if "body" in record and ("custom_id" in record or "url" in record):
        return _texts(_batch_values(record, declared), line)
    return _texts(record, line)


def _record(line: str) -> dict[str, Any]:
    hint = "write one object a line, without [ and ]" if line.strip()[:1] in {"[", "]"} or line.strip() == "{" else ""
    try:
        record = _decoder.decode(line)
    except json.JSONDecodeError as error:
        raise _BadLineError(f"no JSON: {error.msg}", hint, f":{error.colno}") from None
    except RecursionError:
        raise _BadLineError("nested too deep") from None
    if not isinstance(record, dict):
        raise _BadLineError(f"an object is expected, found {shown(record)}", hint)
    return record


def _texts(record: Mapping[str, Any], line: str) -> dict[str, Value]:
    """Return the values as text; ``null`` is a value that was not given."""
    plain = _Plain(line)
    return {
        name: value if type(value) is str else _text(name, value, plain)
        for name, value in record.items()
        if value is not None
    }


@dataclass(slots=True)
class _Plain:
    """A line with its numbers as numbers: decoded once, and only if a column wants it."""

    line: str
    _record: Any = None

    def value(self, name: str) -> Any:
        if self._record is None:
            self._record = json.loads(self.line)
        return self._record[name] if name in self._record else self._record["body"][name]


def _text(name: str, value: Any, plain: _Plain) -> Value:
    if isinstance(value, bool):
        return "true" if value else "false"
    if name == "image" and isinstance(value, list) and value and all(isinstance(one, str) for one in value):
        return tuple(value)
    if name in PARAMETERS or name == "repeat":
        raise _BadLineError(f"{name} must be a text, found {shown(value)}")
    # A column of the user's own may hold anything; it is kept as JSON, with its numbers as numbers.
    return json.dumps(plain.value(name), ensure_ascii=False)


def _batch_values(record: Mapping[str, Any], declared: frozenset[str]) -> dict[str, Any]:
    """Return what an OpenAI Batch line asks for; ``custom_id`` and all else beside the body are columns."""
    url, method = record.get("url"), record.get("method")
    if url is not None and not str(url).endswith(_BATCH_ENDPOINTS):
        raise _BadLineError(f"url must end in {' or '.join(_BATCH_ENDPOINTS)}, found {shown(url)}")
    if method not in (None, "POST"):
        raise _BadLineError(f"method must be POST, found {shown(method)}")
    if not isinstance(record["body"], dict):
        raise _BadLineError(f"body must be an object with the request's parameters, found {shown(record['body'])}")
    body = {name: value for name, value in record["body"].items() if value is not None and name not in _BATCH_IGNORED}
    known = _BATCH_BODY | declared
    for name in body:
        if name not in known:
            raise _UnknownFieldError(name, known)
    pictures = body.pop("n", None)
    if pictures not in (None, "1"):
        body["repeat"] = pictures
    beside = {name: value for name, value in record.items() if name not in _BATCH_LINE}
    for name in beside:
        if name in PARAMETERS or name in declared or name == "repeat":
            raise _BadLineError(f"{name} must stand inside of body, found it beside body")
    return {**beside, **body}
