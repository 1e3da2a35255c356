"""What a service sent back, before anybody judged it, and its form at rest: an HTTP answer as a text with its body."""

from __future__ import annotations

from dataclasses import dataclass

_FIRST = b"HTTP/1.1 "
# Why a body is not whole, or whose answer it repeats, is kept as headers of our own.
_CUT, _REPEATS = "batchgen-cut", "batchgen-repeats"


@dataclass(frozen=True, slots=True)
class Arrival:
    """The answer to a request that was wholly sent: whole, unless ``cut`` says why not.

    ``headers`` are those that matter, their names in small letters, without secrets. ``repeats``: it is byte for byte
    the answer to the request before it on the same connection, which asked for something else.
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    cut: str | None = None
    repeats: bool = False

    def header(self, name: str) -> str:
        """Return the first value of a header, by its name in small letters; empty if there is none."""
        return next((value for header, value in self.headers if header == name), "")

    def at_rest(self) -> bytes:
        """Return the text under which the answer is kept; :func:`from_rest` reads it."""
        own = [(_CUT, self.cut or ""), (_REPEATS, "1" if self.repeats else "")]
        headers = [*self.headers, *(one for one in own if one[1])]
        lines = [b"%b%d" % (_FIRST, self.status), *(_line(name, value) for name, value in headers), b"", b""]
        return b"\r\n".join(lines) + self.body


def from_rest(text: bytes) -> Arrival:
    """Return the answer that is kept as ``text``; a text without status and headers is the body of a success."""
    head, end, body = text.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    status = first.removeprefix(_FIRST)
    if not end or not first.startswith(_FIRST) or not status.isdigit() or len(status) != 3:
        return Arrival(200, (), text)
    headers = [_parts(line) for line in lines]
    own = dict(headers)
    kept = tuple(header for header in headers if header[0] not in {_CUT, _REPEATS})
    return Arrival(int(status), kept, body, cut=own.get(_CUT), repeats=_REPEATS in own)


def _line(name: str, value: str) -> bytes:
    return f"{name}: {' '.join(value.split())}".encode("utf-8", "replace")


def _parts(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode("utf-8", "replace").partition(":")
    return name, value.strip()
