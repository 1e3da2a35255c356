"""How services wrap what they answer: one JSON value, several of them, or a stream of events."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

# Decoding raises these for bytes that are no JSON, no UTF-8, nested too deep, or of another shape.
UNREADABLE = (ValueError, RecursionError)

# A document of more parts is made to keep a reader busy: a picture has one, however large it is.
_MOST_PARTS = 1_000_000
_MOST_DOCUMENTS = 10_000
# Longer numbers are digests and jokes; Python refuses to read 4,300 digits.
_LONGEST_INTEGER = 30

# What servers send to keep a connection, and what stands between documents.
_IDLE = re.compile(r"[\s\0\ufeff]*")
_EVENTS = re.compile(r"(?:event|data|id|retry)?:")


@dataclass(frozen=True, slots=True)
class Frame:
    """The JSON values of a body, in their order.

    ``is_stream``: each stands for the same thing, further on. ``is_whole``: nothing else is in the body. ``names`` are
    those of the events, empty if they have none.
    """

    values: list[object]
    is_stream: bool = False
    is_whole: bool = False
    names: tuple[str, ...] = ()


def framed(text: str, media_type: str) -> Frame:
    """Return the JSON values in a text. What follows a value and is none ends the reading."""
    start = _idle_end(text, 0)
    if _parts(text) > _MOST_PARTS:
        return Frame([])
    if "event-stream" in media_type or _EVENTS.match(text, start):
        # The last ones count.
        events = deque(
            ((name, value) for name, data in _events(text) for value in _values(data, 0)[0]), maxlen=_MOST_DOCUMENTS
        )
        if events:
            names = tuple(name for name, _ in events)
            return Frame([value for _, value in events], is_stream=True, is_whole=True, names=names)
    values, end = _values(text, start)
    is_lines = any(word in media_type for word in ("ndjson", "jsonl", "json-lines", "stream+json"))
    return Frame(values, is_stream=is_lines, is_whole=end >= len(text), names=("",) * len(values))


def _parts(text: str) -> int:
    return sum(map(text.count, ",[{\n\r"))


def _idle_end(text: str, place: int) -> int:
    idle = _IDLE.match(text, place)
    return idle.end() if idle else place


def _values(text: str, place: int) -> tuple[list[object], int]:
    """Return the JSON values that stand one behind the other from ``place`` on, and where the last one ends."""
    values: list[object] = []
    while place < len(text) and len(values) < _MOST_DOCUMENTS:
        try:
            value, place = _decoder.raw_decode(text, place)
        except UNREADABLE:
            break
        values.append(value)
        place = _idle_end(text, place)
    return values, place


def _events(text: str) -> Iterator[tuple[str, str]]:
    """Return the name and the data of each server-sent event (WHATWG HTML, 9.2); a last one needs no empty line."""
    name, data = "", list[str]()
    for line in (*re.split(r"\r\n|\n|\r", text.lstrip("\ufeff")), ""):
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field.lstrip("\0 ") == "event":
            name = value
        elif field.lstrip("\0 ") == "data":
            data.append(value)
        elif not line:
            if data:
                yield name, "\n".join(data).strip()
            name, data = "", []


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= _LONGEST_INTEGER else text


# Servers in Python send `NaN` and control characters; a picture beside them is paid for.
_decoder = json.JSONDecoder(parse_int=_integer, parse_constant=str, strict=False)
