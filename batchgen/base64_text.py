"""Base64 as services write it: in lines, without padding, with the alphabet for URLs."""

from __future__ import annotations

from collections.abc import Iterator

import pybase64

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_WHITE_SPACE = b"\r\n\t "
# What is decoded at once of a long text, in characters.
_PIECE = 4 << 18


def decoded_base64(text: bytes | memoryview) -> bytes:
    """Return the bytes behind base64; raise :class:`ValueError` if the text holds anything else."""
    try:
        # The lenient default drops what it doesn't know and makes a broken picture of a broken answer.
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        plain = bytes(text).translate(_TO_STANDARD, _WHITE_SPACE).rstrip(b"=")
        return pybase64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)


class Base64View:
    """The bytes behind a long base64 text, decoded as far as they are looked at, and never all at once.

    Raise :class:`ValueError` for a text that is not in one line, padded and in the standard alphabet: here as far as
    its end tells, else when it is decoded.
    """

    def __init__(self, text: memoryview) -> None:
        end = bytes(text[-4:])
        if len(text) % 4 or not end:
            raise ValueError("base64 that is not padded")
        self._text = text
        self._bytes = len(text) // 4 * 3 - end.count(b"=")

    def __len__(self) -> int:
        return self._bytes

    def __getitem__(self, place: slice) -> bytes:
        start, stop, _ = place.indices(self._bytes)
        if start >= stop:
            return b""
        first = start // 3
        content = pybase64.b64decode(self._text[first * 4 : -(-stop // 3) * 4], validate=True)
        return content[start - first * 3 : stop - first * 3]

    def pieces(self) -> Iterator[bytes]:
        """Return all bytes, a piece at a time."""
        for start in range(0, len(self._text), _PIECE):
            piece = self._text[start : start + _PIECE]
            if start + _PIECE < len(self._text) and piece[-1] == b"="[0]:
                raise ValueError("base64 with padding in its middle")
            yield pybase64.b64decode(piece, validate=True)
