"""Pictures that travel as text: base64 becomes bytes, or is said to be none."""

from __future__ import annotations

from batchgen.base64_text import decoded_base64
from batchgen.request import AnswerPicture
from batchgen.store.media.sniff import NotAPicture


def content_of(picture: AnswerPicture) -> bytes:
    """Return the bytes of an inline picture; raises :class:`NotAPicture` if its text holds anything else."""
    if picture.content is not None:
        return picture.content
    return decoded(picture.base64 or b"")


def decoded(base64: bytes) -> bytes:
    """Return the bytes behind base64 as services write it; raises :class:`NotAPicture` if the text is none."""
    try:
        return decoded_base64(base64)
    except ValueError as error:
        raise NotAPicture(f"bad base64: {error}") from error
