"""Pictures that travel as text: base64 becomes bytes, or is said to be none."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.base64_text import Base64View, decoded_base64
from batchgen.request import AnswerPicture
from batchgen.store.media.sniff import NotAPicture

_SLICE_BYTES = 1 << 20


def content_of(picture: AnswerPicture) -> bytes:
    """Return the bytes of an inline picture; raises :class:`NotAPicture` if its text holds anything else."""
    if picture.content is not None:
        return bytes(picture.content)
    return decoded(picture.base64 or b"")


def pieces_of(picture: AnswerPicture) -> Iterator[bytes | memoryview] | None:
    """Return the bytes of a picture that lies in its answer, a piece at a time; ``None`` for one in memory.

    Its iterator raises :class:`NotAPicture` as :func:`content_of` does.
    """
    if isinstance(picture.content, memoryview):
        return _slices(picture.content)
    if isinstance(picture.base64, memoryview):
        return _decoded_pieces(picture.base64)
    return None


def _slices(content: memoryview) -> Iterator[memoryview]:
    return (content[start : start + _SLICE_BYTES] for start in range(0, len(content), _SLICE_BYTES))


def _decoded_pieces(base64: memoryview) -> Iterator[bytes]:
    try:
        yield from Base64View(base64).pieces()
    except ValueError as error:
        raise NotAPicture(f"bad base64: {error}") from error


def decoded(base64: bytes | memoryview) -> bytes:
    """Return the bytes behind base64 as services write it; raises :class:`NotAPicture` if the text is none."""
    try:
        return decoded_base64(base64)
    except ValueError as error:
        raise NotAPicture(f"bad base64: {error}") from error
