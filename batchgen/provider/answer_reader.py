"""The pictures in an answer, and what else the answer says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

import msgspec

from batchgen.base64_text import decoded_base64
from batchgen.provider.accepted_job import has_failed, is_pending, job_of
from batchgen.provider.arrival import Arrival
from batchgen.provider.data_entries import entries_of, strict_fields
from batchgen.provider.encodings import inflated, text_of
from batchgen.provider.frames import UNREADABLE, Frame, framed
from batchgen.provider.places import Walk, address, names_results
from batchgen.provider.signatures import ENDLESS, HEAD_BYTES, signature
from batchgen.request import AnswerPicture

__all__ = ["EXCERPT", "UNREADABLE", "Reading", "read_answer"]

# How much of a text, in characters, is looked at for words.
EXCERPT = 4000

_MOST_PARTS = 64
# Undoing codings and looking everywhere takes several times the size of a body: a larger one is kept as it is.
_LARGEST_ODD_BYTES = 64 << 20
# Heartbeats before a picture: one every few seconds of a day.
_LONGEST_IDLE = 64 * 1024
_BOUNDARY = re.compile(r'multipart/.*?;\s*boundary="?([^";]{1,200})', re.IGNORECASE | re.DOTALL)
# What events and lines are called that show a picture before it is done.
_UNDONE = frozenset({"partial", "preview", "progress", "intermediate", "processing", "queued"})
_DONE = frozenset({"completed", "complete", "done", "succeeded", "success", "final", "finished", "result"})


@dataclass(frozen=True, slots=True)
class Reading:
    """What an answer holds.

    ``fields`` are those of its JSON object, each still as JSON text; ``text`` is the beginning of the answer for
    people and for rules that look for words. ``is_json`` says whether there is a JSON document. ``job`` is the address
    or the name of the job that was accepted instead.
    """

    pictures: tuple[AnswerPicture, ...] = ()
    fields: Mapping[str, msgspec.Raw] = field(default_factory=dict)
    text: str = ""
    is_json: bool = False
    job: str | None = None


def read_answer(arrival: Arrival, *, base_url: str = "", sent: Collection[str] = ()) -> Reading:
    """Return what an answer holds. Never raises.

    Relative addresses are joined with ``base_url``; what only repeats an input, whose digests are ``sent``, is no
    picture. Pictures count whatever the status, addresses only in a success.
    """
    fields = strict_fields(arrival.content)
    if fields and (pictures := entries_of(fields, status=arrival.status, sent=sent)):
        return Reading(pictures, fields, bytes(arrival.content[: 2 * EXCERPT]).decode("utf-8", "replace"), is_json=True)
    search = _Search(arrival, base_url, sent)
    if not isinstance(arrival.content, bytes):
        # Films and scans come as the body itself. What else is so large is an odd answer, and read in memory.
        if pictures := search.as_it_lies(arrival.content):
            return Reading(pictures)
        if len(arrival.content) > _LARGEST_ODD_BYTES:
            text = bytes(arrival.content[: 2 * EXCERPT]).decode("utf-8", "replace")
            return Reading((), fields or {}, text, is_json=fields is not None)
        return read_answer(replace(arrival, content=arrival.body), base_url=base_url, sent=sent)
    body = inflated(arrival.body, arrival.header("content-encoding"))
    reading = search.reading(body)
    if not reading.pictures and body is not arrival.body:
        # A header may state a coding that is long undone.
        stated = search.reading(arrival.body)
        reading = stated if stated.pictures else reading
    return reading if reading.pictures or fields is None else replace(reading, fields=fields, is_json=True)


class _Search:
    """The thorough reading of one answer, whatever its pictures are wrapped in."""

    def __init__(self, arrival: Arrival, base_url: str, sent: Collection[str]) -> None:
        self._arrival = arrival
        self._base_url = base_url
        self._sent = sent
        self._is_success = 200 <= arrival.status < 300

    def as_it_lies(self, body: memoryview) -> tuple[AnswerPicture, ...]:
        """Return the picture that a large body is, without reading the body into memory."""
        head = bytes(body[:_LONGEST_IDLE])
        body = body[len(head) - len(head.lstrip(b" \t\r\n")) :]
        return self._walk().of_bytes(body) if self._may_be_picture(bytes(body[: 2 * HEAD_BYTES])) else ()

    def reading(self, body: bytes) -> Reading:
        """Return what a body holds whose codings are undone."""
        media_type = self._arrival.header("content-type")
        boundary = _BOUNDARY.match(media_type)
        if boundary:
            return self._in_parts(body, boundary[1])
        walk = self._walk()
        if self._may_be_picture(body) and (pictures := walk.of_bytes(body.lstrip(b" \t\r\n"))):
            return Reading(pictures)
        text = text_of(body)
        if pictures := walk.of_text(text):
            return Reading(pictures, text=text[: 2 * EXCERPT])
        return replace(self._in_frame(framed(text, media_type.lower())), text=text[: 2 * EXCERPT])

    def _walk(self) -> Walk:
        return Walk(base_url=self._base_url, sent=self._sent, addresses=self._is_success)

    def _may_be_picture(self, body: bytes) -> bool:
        """Return whether a body can be a picture as far as its beginning and its end are known."""
        name = signature(body[: 2 * HEAD_BYTES].lstrip(b" \t\r\n"))
        # A gateway may draw its error page.
        return name is not None and not (self._arrival.cut and name in ENDLESS) and (name != "svg" or self._is_success)

    def _in_parts(self, body: bytes, boundary: str) -> Reading:
        """Return what the parts of a multipart body hold."""
        readings = [Reading(text=text_of(body[: 2 * EXCERPT]))]
        for part in body.split(b"--" + boundary.encode())[1 : _MOST_PARTS + 1]:
            head, _, content = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
            headers = tuple(
                (name.strip().lower(), value.strip())
                for name, _, value in (line.partition(":") for line in head.decode("latin-1").split("\r\n"))
            )
            plain = _transferred(content.removesuffix(b"\r\n"), dict(headers).get("content-transfer-encoding", ""))
            name = re.search(r'\bname="?([^";]{1,64})', dict(headers).get("content-disposition", ""))
            if (name is None or names_results(name[1])) and "multipart/" not in dict(headers).get("content-type", ""):
                of_part = replace(self._arrival, headers=headers)
                readings.append(_Search(of_part, self._base_url, self._sent).reading(plain))
        fields = {name: raw for reading in reversed(readings) for name, raw in reading.fields.items()}
        pictures = dict.fromkeys(picture for reading in readings for picture in reading.pictures)
        return Reading(tuple(pictures), fields, readings[0].text, is_json=bool(fields))

    def _in_frame(self, frame: Frame) -> Reading:
        holders = [place for place in range(len(frame.values)) if self._holds_pictures(frame, place)]
        if holders:
            chosen = _whole_ones(frame, holders)
            others = [value for place, value in enumerate(frame.values) if place not in chosen]
            pictures = self._walk().pictures([self._results(frame.values[place]) for place in chosen])
            # Services state the usage in a last event, or in a line behind the answer.
            fields = _fields_of([*(frame.values[place] for place in reversed(chosen)), *reversed(others)])
            return Reading(pictures, fields, is_json=True)
        told = _telling(frame)
        job = job_of(told, self._arrival, self._base_url)
        return Reading((), _fields_of([told]), is_json=isinstance(told, dict), job=job)

    def _holds_pictures(self, frame: Frame, place: int) -> bool:
        value = frame.values[place]
        if _words(frame.names[place], value) & _UNDONE:
            return False
        return bool(self._walk().pictures(self._results(value)))

    def _results(self, value: object) -> object:
        """Return what of an answer may be results, by what the answer says of itself."""
        if is_pending(value):
            return None
        if isinstance(value, dict) and has_failed(value):
            return {name: one for name, one in value.items() if not isinstance(one, str) or not self._is_address(one)}
        return value

    def _is_address(self, text: str) -> bool:
        return address(text, self._base_url) is not None


def _whole_ones(frame: Frame, holders: list[int]) -> list[int]:
    """Return which of the values that hold pictures count.

    Of a stream the last one, and those before it that say as clearly that they are done; else the first: what stands
    behind it may be the answer to somebody else.
    """
    if not frame.is_stream:
        return holders[:1]
    last = _words(frame.names[holders[-1]], frame.values[holders[-1]])
    if not last & _DONE:
        return holders[-1:]
    return [place for place in holders if _words(frame.names[place], frame.values[place]) == last]


def _words(name: str, value: object) -> set[str]:
    """Return the words with which an event or a line says what it is."""
    stated = [value.get("type"), value.get("event"), value.get("object")] if isinstance(value, dict) else []
    said = " ".join(one[:80] for one in (name, *stated) if isinstance(one, str))
    return set(re.split(r"[^a-z]+", said.lower()))


def _telling(frame: Frame) -> object:
    """Return the one value that says what became of a request without a picture; ``None`` if there is none."""
    if frame.is_stream:
        objects = [value for value in frame.values if isinstance(value, dict)]
        return next((one for one in objects if has_failed(one)), objects[-1] if objects else None)
    if len(frame.values) != 1 or not frame.is_whole:
        return None
    (value,) = frame.values
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _fields_of(values: list[object]) -> dict[str, msgspec.Raw]:
    """Return the fields of the first object among ``values``, and what others add to them."""
    objects = [one for value in values for one in (value if isinstance(value, list) else [value])]
    fields: dict[str, msgspec.Raw] = {}
    for one in objects:
        if isinstance(one, dict):
            fields |= {name: _raw(value) for name, value in one.items() if name not in fields}
    return fields


def _raw(value: object) -> msgspec.Raw:
    try:
        return msgspec.Raw(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
    except UNREADABLE:
        return msgspec.Raw(b"null")


def _transferred(content: bytes, encoding: str) -> bytes:
    if encoding.lower() != "base64":
        return content
    try:
        return decoded_base64(content)
    except ValueError:
        return content
