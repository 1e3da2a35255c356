"""Pictures that travel as text: base64 becomes bytes, or is said to be none."""

from __future__ import annotations

import pybase64

from batchgen.store.media.sniff import NotAPicture


def decoded(base64: bytes) -> bytes:
    """Return the bytes of an inline picture; raises :class:`NotAPicture` if the text holds anything else."""
    try:
        # The lenient default drops what it doesn't know and makes a broken picture of a broken answer.
        return pybase64.b64decode(base64, validate=True)
    except ValueError as error:
        raise NotAPicture(f"bad base64: {error}") from error
