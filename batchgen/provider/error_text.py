"""What an answer without a picture says, in the many places where services say it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from batchgen.provider.answer_reader import EXCERPT, UNREADABLE, Reading
from batchgen.provider.waiting import stated_wait_s
from batchgen.wording import printable

MESSAGE_CHARACTERS = 300
# Where services put the words of a refusal, beside `error`.
_WORDS = frozenset({"message", "msg", "detail", "details", "text", "reason", "content", "refusal", "title", "status"})
_REASONS = frozenset({"finish_reason", "finishreason", "stop_reason", "blockreason", "block_reason"})
# Deeper, or more of them, is no message for people.
_DEEPEST, _MOST = 8, 200


@dataclass(frozen=True, slots=True)
class Saying:
    """The words of an answer. ``message`` is for people; ``words`` is what rules look at, ``kind`` types and codes.

    ``is_error``: the service itself states an error, as JSON. ``is_markup``: a page, which no service writes for
    programs. ``wait_s`` is the wait that the body asks for.
    """

    message: str
    words: str
    kind: str = ""
    is_error: bool = False
    is_markup: bool = False
    wait_s: float | None = None


def saying(reading: Reading) -> Saying:
    """Return what an answer says that holds no picture."""
    if not reading.is_json:
        plain = _without_markup(reading.text)
        is_markup = reading.text.lstrip("\ufeff \t\r\n").startswith("<")
        return Saying(short(plain), plain, is_markup=is_markup, wait_s=stated_wait_s(plain))
    stated = {name: value for name, raw in reading.fields.items() if (value := _decoded(raw)) not in (None, "", {}, [])}
    error = stated.get("error") or stated.get("errors")
    if error and error != "false":
        message, kind = _of_error(error, stated)
        return Saying(short(message), message[:EXCERPT], kind, is_error=True, wait_s=_wait_s(stated, message))
    words = " ".join(_words(stated, 0))
    failed = stated.get("success") == "false" or stated.get("status") in {"error", "failed", "FAILED"}
    message = words or reading.text
    return Saying(short(message), words[:EXCERPT], _kind(stated), is_error=failed, wait_s=_wait_s(stated, words))


def _decoded(raw: msgspec.Raw) -> object:
    if bytes(raw) in {b"false", b"true"}:
        return bytes(raw).decode()
    try:
        return json.loads(bytes(raw).decode("utf-8", "replace"), parse_int=str, parse_float=str, strict=False)
    except UNREADABLE:
        return bytes(raw[: 2 * EXCERPT]).decode("utf-8", "replace")


def _of_error(error: object, stated: Mapping[str, object]) -> tuple[str, str]:
    """Return the message and the types and codes of an error: an object, a list, a text, or something else."""
    if isinstance(error, list) and len(error) == 1:
        error = error[0]
    if not isinstance(error, dict):
        # xAI's shape: the text under `error`, a code beside it.
        return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False), _kind(stated)
    message = next((one for name in ("message", "msg", "detail") if isinstance(one := error.get(name), str)), None)
    inner = " ".join(_words({"inner": error.get("inner_error") or error.get("innererror") or {}}, 0))
    return message or json.dumps(error, ensure_ascii=False)[:EXCERPT], f"{_kind(error)} {inner}".strip()


def _kind(stated: Mapping[str, object]) -> str:
    inner = stated.get("inner_error") or stated.get("innererror")
    kinds: list[object] = [stated.get(name) for name in ("type", "code", "status")]
    kinds += [inner.get("code")] if isinstance(inner, dict) else []
    return " ".join(kind for kind in kinds if isinstance(kind, str))


def _words(value: object, depth: int, name: str = "") -> Iterator[str]:
    """Return the texts under the names that services use for words, and what a content filter filtered."""
    if depth > _DEEPEST:
        return
    match value:
        case str() if name in _WORDS or name in _REASONS:
            yield value[:EXCERPT]
        case dict():
            if name.startswith("content_filter") and re.search(r'"(filtered|detected)": true', json.dumps(value)):
                yield "content_filter"
            for key, inner in list(value.items())[:_MOST]:
                yield from _words(inner, depth + 1, str(key).lower())
        case list():
            for inner in value[:_MOST]:
                yield from _words(inner, depth + 1, name)


def _wait_s(stated: Mapping[str, object], message: str) -> float | None:
    """Return the wait that a body asks for: as ``retry_after``, beside the error or inside it, or in its words."""
    error = stated.get("error")
    for place in (stated, error if isinstance(error, dict) else {}):
        for name in ("retry_after", "retryAfter", "retry_after_ms"):
            wait = stated_wait_s(place.get(name))
            if wait is not None:
                return wait / 1000 if name.endswith("ms") else wait
        for one in _dicts(place.get("details")):
            if (wait := stated_wait_s(one.get("retryDelay"))) is not None:
                return wait
    return stated_wait_s(message)


def _dicts(value: object) -> list[Mapping[str, object]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _without_markup(text: str) -> str:
    # Markup of a gateway's error page says nothing.
    return re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", text[:EXCERPT], flags=re.DOTALL | re.IGNORECASE)


def short(text: str) -> str:
    """Return ``text`` for people: without markup and control characters, in at most 300 characters."""
    plain = printable(" ".join(_without_markup(text).split())) or "(empty)"
    return plain if len(plain) <= MESSAGE_CHARACTERS else plain[: MESSAGE_CHARACTERS - 1] + "…"
