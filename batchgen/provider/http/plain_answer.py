"""Heads and chunks as nearly every server writes them, read by hand at a fifth of a parser's price.

Whatever is written in another way is not read here: it goes to the tested parser, which knows the rest of HTTP.
"""

import re
from typing import NamedTuple

from batchgen.provider.http.received import Headers

_HEAD = re.compile(
    rb"HTTP/1\.1 ([2-5]\d\d)(?: [\x20-\x7e]*)?\r\n((?:[A-Za-z0-9_-]+: ?(?:[\x21-\x7e][\x20-\x7e]*)?\r\n)*)\r\n"
)
_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}")
_SIZE_BEGUN = re.compile(rb"[0-9A-Fa-f]{0,15}\r?")
_BODILESS = frozenset({204, 304})
# A size of more digits than this is none of a good answer.
_LONGEST_SIZE_LINE = 18


class PlainHead(NamedTuple):
    """Status and headers. ``length_bytes`` is that of the body, ``None`` if it comes in chunks."""

    status: int
    headers: Headers
    length_bytes: int | None
    keeps_open: bool


def read_plain_head(head: bytes) -> PlainHead | None:
    """Return what a head says, with its empty line; ``None`` if a parser has to tell how its body is framed."""
    whole = _HEAD.fullmatch(head)
    if whole is None:
        return None
    lines = [line.partition(b":") for line in whole[2].split(b"\r\n")[:-1]]
    status, headers = int(whole[1]), [(name, value.strip(b" ")) for name, _, value in lines]
    length: int | None = None
    chunked, keeps_open = False, True
    for name, value in headers:
        # Only these four frame a body, or say what becomes of the connection.
        if len(name) not in _LENGTHS:
            continue
        match name.lower():
            case b"content-length":
                if length is not None or not value.isdigit() or len(value) > 18:
                    return None
                length = int(value)
            case b"transfer-encoding":
                if chunked or value.lower() != b"chunked":
                    return None
                chunked = True
            case b"connection":
                if value.lower() not in {b"keep-alive", b"close"}:
                    return None
                keeps_open = keeps_open and value.lower() == b"keep-alive"
            case b"upgrade":
                return None
    if chunked == (length is not None) or status in _BODILESS:
        return None
    return PlainHead(status, headers, length, keeps_open)


_LENGTHS = frozenset(map(len, (b"content-length", b"transfer-encoding", b"connection", b"upgrade")))


class PlainChunks:
    """A body in chunks, as it comes: sizes without extensions, and no trailers.

    ``is_done`` once the last chunk is there, with what stood behind it in ``rest``. ``is_odd`` if a parser has to go on
    with ``rest``; the size of a chunk is what comes next then, unless ``is_in_chunk``: its end does.
    """

    __slots__ = ("_left_bytes", "is_done", "is_in_chunk", "is_odd", "rest")

    def __init__(self) -> None:
        self._left_bytes = 0
        self.is_in_chunk = self.is_done = self.is_odd = False
        self.rest = b""

    def read(self, data: bytes) -> list[bytes]:
        """Return the parts of the body in ``data``, which follows what was read before."""
        if self.rest:
            data = self.rest + data
        parts: list[bytes] = []
        place = 0
        while not (self.is_done or self.is_odd):
            if self._left_bytes:
                part = data[place : place + self._left_bytes]
                place += len(part)
                self._left_bytes -= len(part)
                if part:
                    parts.append(part)
                if self._left_bytes:
                    break
            end = data.find(b"\r\n", place, place + _LONGEST_SIZE_LINE)
            if self.is_in_chunk:
                # The end of a chunk is nothing but this.
                if end == place:
                    self.is_in_chunk = False
                    place += 2
                    continue
                self.is_odd = not b"\r\n".startswith(data[place : place + 2])
                break
            if end < 0:
                self.is_odd = _SIZE_BEGUN.fullmatch(data, place) is None
                break
            if _SIZE.fullmatch(data, place, end) is None:
                self.is_odd = True
                break
            size = int(data[place:end], 16)
            if size:
                place, self._left_bytes, self.is_in_chunk = end + 2, size, True
            elif data[end + 2 : end + 4] == b"\r\n":
                place, self.is_done = end + 4, True
            else:
                # Trailers, or their end is still to come.
                self.is_odd = not b"\r\n".startswith(data[end + 2 : end + 4])
                break
        self.rest = data[place:]
        return parts
