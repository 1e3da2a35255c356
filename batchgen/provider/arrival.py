"""What a service sent back, before anybody judged it, and its form at rest: an HTTP answer as a text with its body."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = b"HTTP/1.1 "
# Why a body is not whole, or whose answer it repeats, is kept as headers of our own.
_CUT, _REPEATS = "batchgen-cut", "batchgen-repeats"
# What is written while an answer arrives says whose answer that is, and how long it will be.
_ATTEMPT, _LENGTH = "batchgen-attempt", "batchgen-length"
# Spaces, by which an answer becomes as long as the one whose file it takes.
_ROOM = "batchgen-room"
_OWN = frozenset({_CUT, _REPEATS, _ATTEMPT, _LENGTH, _ROOM})
# No head is longer: engines read 64 KiB of one.
_LONGEST_HEAD_BYTES = 128 * 1024
_SLICE_BYTES = 1 << 20

# How an answer ended stands in a place of this size, so that it can be written when the body is there.
_CUT_BYTES = 240
ENDING_AT = len(_FIRST) + len(b"200\r\n")
ARRIVING = "batchgen ended while the answer arrived"


@dataclass(frozen=True, slots=True)
class Arrival:
    """The answer to a request that was wholly sent: whole, unless ``cut`` says why not.

    ``headers`` are those that matter, their names in small letters, without secrets. ``content`` is the body, a view
    of its file if it is large. ``repeats``: it is byte for byte the answer to the request before it on the same
    connection, which asked for something else.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    content: bytes | memoryview
    cut: str | None = None
    repeats: bool = False

    @property
    def body(self) -> bytes:
        """Return the whole body in memory."""
        return self.content if isinstance(self.content, bytes) else bytes(self.content)

    def header(self, name: str) -> str:
        """Return the first value of a header, by its name in small letters; empty if there is none."""
        return next((value for header, value in self.headers if header == name), "")

    @property
    def is_blank(self) -> bool:
        """Return whether nothing came but what services send to keep a connection."""
        starts = range(0, len(self.content), _SLICE_BYTES)
        return not any(bytes(self.content[start : start + _SLICE_BYTES]).strip() for start in starts)

    def at_rest(self) -> bytes:
        """Return the text under which the answer is kept; :func:`from_rest` reads it."""
        own = [(_CUT, self.cut or ""), (_REPEATS, "1" if self.repeats else "")]
        return _head(self.status, [*self.headers, *(one for one in own if one[1])]) + self.content

    def ending(self) -> bytes:
        """Return what stands at ``ENDING_AT`` of the text that :func:`arriving_head` began, once all is there."""
        return _ending(self.cut or "", repeats=self.repeats)


def arriving_head(attempt: str, status: int, headers: tuple[tuple[str, str], ...], length_bytes: int | None) -> bytes:
    """Return the head of an answer that begins to arrive: cut, until its ending is written or its length is reached.

    ``attempt`` says whose answer it is; ``length_bytes`` is the stated length of the body. At ``ROOM_AT`` of the head,
    any number of spaces may be inserted.
    """
    length = b"" if length_bytes is None else b"batchgen-length: %d\r\n" % length_bytes
    lines = b"".join([_line(name, value) + b"\r\n" for name, value in headers])
    own = b"batchgen-attempt: %b\r\n%b" % (attempt.encode(), length)
    return b"%b%03d\r\n%b%b%b\r\n" % (_FIRST, status, _ARRIVING_ENDING, own, lines)


def from_rest(text: bytes | memoryview) -> Arrival:
    """Return the answer that is kept as ``text``; a text without status and headers is the body of a success."""
    start = bytes(text[:_LONGEST_HEAD_BYTES])
    head, end, _ = start.partition(b"\r\n\r\n")
    first = head.partition(b"\r\n")[0]
    status = first.removeprefix(_FIRST)
    if not end or not first.startswith(_FIRST) or not status.isdigit() or len(status) != 3:
        return Arrival(200, (), text)
    return from_head(head, text[len(head) + len(end) :])


def from_head(head: bytes, body: bytes | memoryview) -> Arrival:
    """Return the answer whose head is kept as ``head``, which has a status."""
    first, *lines = head.rstrip().split(b"\r\n")
    headers = [_parts(line) for line in lines]
    own = {name: value for name, value in headers if name in _OWN}
    length = own.get(_LENGTH, "")
    is_whole = length.isdecimal() and len(body) >= int(length)
    return Arrival(
        int(first.removeprefix(_FIRST)),
        tuple(header for header in headers if header[0] not in _OWN),
        body,
        cut=None if is_whole else own.get(_CUT) or None,
        repeats=bool(own.get(_REPEATS)),
    )


def _head(status: int, headers: list[tuple[str, str]]) -> bytes:
    lines = [b"%b%03d" % (_FIRST, status), *(_line(name, value) for name, value in headers), b"", b""]
    return b"\r\n".join(lines)


def _ending(cut: str, *, repeats: bool) -> bytes:
    reason = " ".join(cut.split()).encode("utf-8", "replace")[:_CUT_BYTES].ljust(_CUT_BYTES)
    return b"batchgen-cut: %b\r\nbatchgen-repeats: %b\r\n" % (reason, b"1" if repeats else b" ")


_ARRIVING_ENDING = _ending(ARRIVING, repeats=False) + b"batchgen-room: \r\n"
ROOM_AT = ENDING_AT + len(_ARRIVING_ENDING) - len(b"\r\n")


def _line(name: str, value: str) -> bytes:
    return f"{name}: {' '.join(value.split())}".encode("utf-8", "replace")


def _parts(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("utf-8", "replace").partition(":")
    return name, value.strip()
