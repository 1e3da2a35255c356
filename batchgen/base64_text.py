"""Base64 as services write it: in lines, without padding, with the alphabet for URLs."""

from __future__ import annotations

import pybase64

_TO_STANDARD = bytes.maketrans(b"-_", b"+/")
_WHITE_SPACE = b"\r\n\t "


def decoded_base64(text: bytes) -> bytes:
    """Return the bytes behind base64; raise :class:`ValueError` if the text holds anything else."""
    try:
        # The lenient default drops what it doesn't know and makes a broken picture of a broken answer.
        return pybase64.b64decode(text, validate=True)
    except ValueError:
        plain = text.translate(_TO_STANDARD, _WHITE_SPACE).rstrip(b"=")
        return pybase64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
