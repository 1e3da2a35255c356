"""The form of answer that most services share, ``data: [{url | b64_json}]``, read without copying its pictures."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping

import msgspec

from batchgen.base64_text import Base64View, decoded_base64
from batchgen.provider.frames import UNREADABLE
from batchgen.provider.places import MOST_PICTURES, address
from batchgen.provider.signatures import is_whole
from batchgen.request import AnswerPicture

_NULL = msgspec.Raw(b"null")
# A document of so many fields is made to fill the memory; below this size none can.
_LARGEST_UNCOUNTED_BYTES, _MOST_FIELDS = 16 << 20, 1_000_000
_SLICE_BYTES = 1 << 20
# A picture whose text is longer is decoded from where the text lies, a piece at a time.
_LONGEST_COPIED = 64 * 1024
_LONGEST_PREFIX = 256


class _Entry(msgspec.Struct):
    # Each field stays raw, so that nonsense in one of them does not cost the others.
    url: msgspec.Raw = _NULL
    b64_json: msgspec.Raw = _NULL
    revised_prompt: msgspec.Raw = _NULL


_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_entries = msgspec.json.Decoder(list[_Entry]).decode
_decode_text = msgspec.json.Decoder(str).decode


def strict_fields(body: bytes | memoryview) -> dict[str, msgspec.Raw] | None:
    """Return the fields of a body that is one strict JSON object, else ``None``."""
    if len(body) > _LARGEST_UNCOUNTED_BYTES and (not _ends_an_object(body) or _commas(body) > _MOST_FIELDS):
        return None
    try:
        return _decode_fields(body)
    except UNREADABLE:
        return None


def _ends_an_object(body: bytes | memoryview) -> bool:
    """Return whether the end of a body is that of an object: a large one that was cut is not read for nothing."""
    return bytes(body[-_SLICE_BYTES:]).rstrip().endswith(b"}")


def _commas(body: bytes | memoryview) -> int:
    return sum(bytes(body[start : start + _SLICE_BYTES]).count(b",") for start in range(0, len(body), _SLICE_BYTES))


def entries_of(fields: Mapping[str, msgspec.Raw], *, status: int, sent: Collection[str]) -> tuple[AnswerPicture, ...]:
    """Return the pictures of this form; none at all if any entry takes a closer look."""
    found = []
    try:
        for entry in _decode_entries(fields.get("data", _NULL))[:MOST_PICTURES]:
            picture = _picture(entry, is_success=200 <= status < 300, sent=sent)
            if picture is None:
                return ()
            found.append(picture)
    except UNREADABLE:
        return ()
    return tuple(found)


def _picture(entry: _Entry, *, is_success: bool, sent: Collection[str]) -> AnswerPicture | None:
    base64 = None if entry.b64_json is _NULL else _base64(entry.b64_json)
    stated = bytes(memoryview(entry.url)[:_LONGEST_PREFIX])
    if not base64 and stated.startswith(b'"data:'):
        base64 = _base64(entry.url)
    if base64:
        return AnswerPicture(None, base64, _text(entry.revised_prompt)) if _holds_picture(base64, sent) else None
    url = _text(entry.url) if is_success and stated.startswith((b'"https://', b'"http://')) else None
    if url is None or address(url, "") is None or f"url:{url}" in sent:
        return None
    return AnswerPicture(url, None, _text(entry.revised_prompt))


def _holds_picture(base64: bytes | memoryview, sent: Collection[str]) -> bool:
    """Return whether the text is a whole picture, and none of those that were ``sent``."""
    try:
        content = Base64View(base64) if isinstance(base64, memoryview) else decoded_base64(base64)
        return is_whole(content) and not (sent and f"sha256:{_sha256(content)}" in sent)
    except ValueError:
        return False


def _sha256(content: bytes | Base64View) -> str:
    digest = hashlib.sha256()
    for piece in content.pieces() if isinstance(content, Base64View) else [content]:
        digest.update(piece)
    return digest.hexdigest()


def _text(raw: msgspec.Raw) -> str | None:
    try:
        return _decode_text(raw)
    except UNREADABLE:
        return None


def _base64(raw: msgspec.Raw) -> bytes | memoryview | None:
    r"""Return the text between the quotes, not copied through ``str`` if it holds no escape but ``\/``."""
    if (lying := _lying(memoryview(raw))) is not None:
        return lying
    quoted = bytes(raw)
    if quoted[:1] != b'"':
        return None
    payload = quoted[1:-1].replace(b"\\/", b"/")
    if b"\\" in payload:
        payload = (_text(raw) or "").encode()
    # Some OpenAI-compatible servers answer with a whole data URI.
    if payload.startswith(b"data:"):
        payload = payload.partition(b",")[2]
    return payload or None


def _lying(quoted: memoryview) -> memoryview | None:
    """Return a long text where it lies, without what stands before a data URI's base64, if it is plain base64."""
    if len(quoted) <= _LONGEST_COPIED or quoted[0] != b'"'[0]:
        return None
    text = quoted[1:-1]
    if bytes(text[:5]) == b"data:":
        text = text[bytes(text[:_LONGEST_PREFIX]).find(b",") + 1 :]
    try:
        for _ in Base64View(text).pieces():
            pass
    except ValueError:
        return None
    return text
