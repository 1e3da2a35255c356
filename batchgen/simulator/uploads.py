"""The pictures of a request: uploaded bytes, a data URI, or a URL.

The simulator connects to nobody: a URL is a name, and only the simulator's own pictures are read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from batchgen.simulator.problems import invalid

MOST_UPLOAD_BYTES = 25 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class InputPicture:
    """One input: its bytes, or the URL it was named by."""

    sha256: str
    data: bytes | None
    url: str = ""


def uploaded(data: bytes) -> InputPicture:
    """Return the input of uploaded bytes. Raise ``TurnedAway`` if they are too many."""
    if len(data) > MOST_UPLOAD_BYTES:
        raise invalid("File too large: at most 25 MB are allowed")
    return InputPicture(hashlib.sha256(data).hexdigest(), data)


def named(text: object) -> InputPicture:
    """Return the input that a string in a request names. Raise ``TurnedAway`` if it is neither URL nor data URI."""
    if not isinstance(text, str):
        raise invalid("An image must be a file, a URL or a data URI")
    if text.startswith("data:"):
        return uploaded(_data_uri(text))
    if text.startswith(("http://", "https://")):
        return InputPicture(hashlib.sha256(text.encode()).hexdigest(), None, text)
    raise invalid("An image must be a file, a URL or a data URI")


def _data_uri(text: str) -> bytes:
    head, comma, body = text.partition(",")
    if not comma:
        raise invalid("Invalid data URI: it has no comma")
    if not head.endswith(";base64"):
        return unquote_to_bytes(body)
    try:
        return base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Invalid data URI: its base64 is damaged") from None
