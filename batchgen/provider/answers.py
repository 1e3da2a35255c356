"""What an answer means for the money, by its body first: a failed generation comes as 200, after heartbeats."""

from __future__ import annotations

import errno
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import httpx
import msgspec

from batchgen.money import microusd
from batchgen.provider.error_text import meaning
from batchgen.provider.http.interface import AddressRefused, BodyTooLarge, CertificateInvalid
from batchgen.provider.interface import Answer, Answered, Failed, Verdict
from batchgen.provider.waiting import rate_limit, retry_after_s, stated_wait_s
from batchgen.request import AnswerPicture, Generation
from batchgen.wording import printable

MESSAGE_CHARACTERS = 300
# A longer latency than a week is a mistake.
_LONGEST_LATENCY_MS = 7 * 24 * 3600 * 1000
# Bodies of failures are kept up to this size: enough to find the money in them, too little to fill a disk.
_KEPT_BODY_BYTES = 64 * 1024

_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})

Redact = Callable[[str], str]

# How much of a text, in characters, a message may be made of.
_EXCERPT = 4000

_NULL = msgspec.Raw(b"null")
# Decoding raises these for bytes that are no JSON, no UTF-8, nested too deep, or of another shape.
_UNREADABLE = (ValueError, RecursionError)


class _Entry(msgspec.Struct):
    # Each field stays raw, so that nonsense in one of them does not cost the others.
    url: msgspec.Raw = _NULL
    b64_json: msgspec.Raw = _NULL
    revised_prompt: msgspec.Raw = _NULL


class _Body(msgspec.Struct):
    # Numbers stay raw until they are read as decimals: a float in between would lose micro-dollars.
    data: msgspec.Raw = _NULL
    error: msgspec.Raw = _NULL
    cost: msgspec.Raw = _NULL
    latency: msgspec.Raw = _NULL
    retry_after: msgspec.Raw = _NULL


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_entries = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_entry = msgspec.json.Decoder(_Entry).decode
_decode_text = msgspec.json.Decoder(str).decode


@dataclass(frozen=True, slots=True)
class _Error:
    """An ``error`` in a body: a mapping with a message, or just a text."""

    message: str
    kind: str


def read_response(response: httpx.Response, redact: Redact) -> Answer:
    """Return what a complete response to a generation request means."""
    if response.is_success:
        answer = read_body(response.content, redact, status=response.status_code)
    else:
        answer = _read_refusal(response, redact)
    return replace(answer, rate_limit=rate_limit(response.headers))


def read_body(body: bytes, redact: Redact, *, status: int = 200) -> Answer:
    """Return what the body of a successful status means: a generation, an error in disguise, or something unusable."""
    parsed = _parsed(body)
    if parsed is None:
        message = f"the answer is no JSON: {_said(_excerpt(body), redact)}"
        return Failed(Verdict.DOUBT, "unreadable_answer", message, status, body=body[:_KEPT_BODY_BYTES])
    cost = _money(parsed.cost)
    # A picture that arrived is never bought again, whatever else the answer says.
    if pictures := _pictures(parsed.data):
        return Answered(body, Generation(pictures, cost, _latency(parsed.latency)))
    if (error := _error(parsed.error)) is not None:
        return _read_error(error, parsed, body, redact, status=status)
    return Failed(
        Verdict.SPOILED,
        "no_picture",
        f"the answer holds no picture: {_said(_excerpt(body), redact)}",
        status,
        cost_microusd=cost,
        body=body[:_KEPT_BODY_BYTES],
    )


def read_transport_error(error: httpx.HTTPError, redact: Redact) -> Failed:
    """Return what a missing or incomplete response means; the error's class says how much was sent."""
    message = _said(str(error) or type(error).__name__, redact)
    match error:
        case CertificateInvalid():
            return Failed(Verdict.STOP_RUN, "certificate", message)
        case AddressRefused():
            return Failed(Verdict.STOP_RUN, "address_refused", message)
        case httpx.ConnectError() if _errno(error) in _OUT_OF_DESCRIPTORS:
            return Failed(
                Verdict.STOP_RUN,
                "too_many_files",
                f"this process may open no more files or connections ({message}); raise `ulimit -n`, or lower "
                "limits.concurrency",
            )
        case httpx.ConnectError() | httpx.ConnectTimeout() | httpx.PoolTimeout():
            return Failed(Verdict.PASSING, "connect", message)
        case httpx.WriteError() | httpx.WriteTimeout():
            return Failed(Verdict.PASSING, "send", message)
        case httpx.LocalProtocolError() | httpx.UnsupportedProtocol():
            return Failed(Verdict.STOP_RUN, "wrong_base_url", message)
        case BodyTooLarge():
            return Failed(Verdict.DOUBT, "answer_too_large", message)
        case httpx.ReadTimeout():
            return Failed(Verdict.DOUBT, "timeout", message)
        case _:
            return Failed(Verdict.DOUBT, "connection_lost", message)


def _errno(error: BaseException | None) -> int | None:
    """Return the operating system's number of the error's cause."""
    while error is not None and not isinstance(error, OSError):
        error = error.__cause__ or error.__context__
    return error.errno if error is not None else None


def _read_error(error: _Error, parsed: _Body, body: bytes, redact: Redact, *, status: int) -> Failed:
    message = _said(error.message, redact)
    if cost := _money(parsed.cost):
        return Failed(
            Verdict.SPOILED,
            "billed_error",
            f"billed although it failed: {message}",
            status,
            cost_microusd=cost,
            body=body[:_KEPT_BODY_BYTES],
        )
    said = meaning(error.message, error.kind)
    kept = body[:_KEPT_BODY_BYTES] if said.verdict is Verdict.DOUBT else None
    return Failed(said.verdict, said.reason, message, status, _wait_s(parsed), body=kept)


def _read_refusal(response: httpx.Response, redact: Redact) -> Failed:
    status = response.status_code
    parsed = _parsed(response.content)
    error = _error(parsed.error) if parsed else None
    message = f"HTTP {status}: {_said(error.message if error else _excerpt(response.content), redact)}"
    wait = retry_after_s(response.headers, now_epoch_s=time.time())
    if wait is None and parsed:
        wait = _wait_s(parsed)
    said = meaning(error.message, error.kind) if error else None
    if said and said.verdict is Verdict.STOP_RUN:
        return Failed(Verdict.STOP_RUN, said.reason, message, status)
    match status:
        case 401:
            return Failed(Verdict.STOP_RUN, "key_rejected", f"the service rejected the key ({message})", status)
        case 402:
            return Failed(Verdict.STOP_RUN, "insufficient_credits", message, status)
        case 404 if error is None:
            return Failed(Verdict.STOP_RUN, "wrong_base_url", f"nothing answers at this address ({message})", status)
        case 408:
            return Failed(Verdict.DOUBT, "timeout", message, status)
        case 409 | 425:
            return Failed(Verdict.PASSING, f"http_{status}", message, status, wait)
        case 429 if said and said.verdict is Verdict.STOP_LANE:
            return Failed(Verdict.STOP_LANE, said.reason, message, status)
        case 429:
            return Failed(Verdict.THROTTLED, "rate_limit", message, status, wait)
        case 501 | 505:
            return Failed(Verdict.STOP_RUN, f"http_{status}", message, status)
        case 503:
            return Failed(Verdict.OVERLOADED, "overloaded", message, status, wait)
    if status < 400:
        to = _said(response.headers.get("location", "nowhere"), redact)
        return Failed(
            Verdict.STOP_RUN,
            "redirect",
            f"the service redirects to {to}; check base_url: a paid post is never redirected",
            status,
        )
    if status < 500:
        reason = said.reason if said and said.verdict is Verdict.REFUSED else f"http_{status}"
        return Failed(Verdict.REFUSED, reason, message, status)
    if said:
        # The service itself reports the failure; only a bare status leaves open whether the generation ran.
        verdict = said.verdict if said.verdict is not Verdict.REFUSED else Verdict.UNCLEAR
        return Failed(verdict, said.reason, message, status, wait)
    return Failed(Verdict.DOUBT, f"http_{status}", message, status, wait, body=response.content[:_KEPT_BODY_BYTES])


def _parsed(body: bytes) -> _Body | None:
    """Return the fields of a body, or ``None`` if it is no JSON object even for a lenient reader."""
    try:
        return _decode_body(body)
    except _UNREADABLE:
        pass
    try:
        return _decode_body(_rewritten(body))
    except _UNREADABLE:
        return None


def _rewritten(body: bytes) -> bytes:
    """Return a body as strict JSON: no byte order mark, no lone surrogates, ``NaN`` and numbers as text.

    OpenAI-compatible servers in Python send such answers; a picture in one is paid for.
    """
    stated = json.loads(
        body.decode("utf-8-sig", "replace"), parse_float=str, parse_int=str, parse_constant=str, strict=False
    )
    return json.dumps(stated, ensure_ascii=False).encode("utf-8", "replace")


def _error(raw: msgspec.Raw) -> _Error | None:
    """Return the error a body states; ``null``, ``false`` and whatever is empty state none."""
    try:
        stated = msgspec.json.decode(raw)
    except _UNREADABLE:
        return _Error(_excerpt(raw), "")
    if not stated:
        return None
    if isinstance(stated, dict):
        kinds = (stated.get(name) for name in ("type", "code"))
        message = stated.get("message")
        return _Error(
            message if isinstance(message, str) else _excerpt(raw),
            " ".join(kind for kind in kinds if isinstance(kind, str)),
        )
    return _Error(stated if isinstance(stated, str) else _excerpt(raw), "")


def _wait_s(parsed: _Body) -> float | None:
    """Return the wait that ``retry_after`` asks for, beside the error or inside it."""
    for raw in (parsed.retry_after, parsed.error):
        try:
            stated = msgspec.json.decode(raw)
        except _UNREADABLE:
            continue
        if wait := stated_wait_s(stated.get("retry_after") if isinstance(stated, dict) else stated):
            return wait
    return None


def _pictures(raw: msgspec.Raw) -> tuple[AnswerPicture, ...]:
    try:
        entries = _decode_entries(raw)
    except _UNREADABLE:
        return ()
    return tuple(picture for entry in entries if (picture := _picture(entry)) is not None)


def _picture(raw: msgspec.Raw) -> AnswerPicture | None:
    try:
        entry = _decode_entry(raw)
    except _UNREADABLE:
        return None
    url, base64 = _text(entry.url), _base64(entry.b64_json)
    if url and url.startswith("data:"):
        url, base64 = None, base64 or _base64(entry.url)
    return AnswerPicture(url or None, base64, _text(entry.revised_prompt)) if url or base64 else None


def _text(raw: msgspec.Raw) -> str | None:
    try:
        return _decode_text(raw)
    except _UNREADABLE:
        return None


def _base64(raw: msgspec.Raw) -> bytes | None:
    r"""Return the text between the quotes, not copied through ``str`` if it holds no escape but ``\/``."""
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


def _money(raw: msgspec.Raw) -> int | None:
    # Only a number is a cost: services have sent text and `true`.
    text = bytes(raw)
    return microusd(text.decode()) if text[:1].isdigit() else None


def _latency(raw: msgspec.Raw) -> int | None:
    latency_us = _money(raw)
    latency_ms = latency_us // 1_000_000 if latency_us is not None else None
    return latency_ms if latency_ms is not None and latency_ms < _LONGEST_LATENCY_MS else None


def _excerpt(body: bytes | msgspec.Raw) -> str:
    return bytes(memoryview(body)[: 2 * _EXCERPT]).decode("utf-8", "replace")


def _said(text: str, redact: Redact) -> str:
    """Return ``text`` for people: without secrets, markup and control characters, in at most 300 characters."""
    # A secret is taken out before anything is cut: half of one would not be recognised any more.
    excerpt = redact(text[: 2 * _EXCERPT])[:_EXCERPT]
    # Markup of a gateway's error page says nothing.
    plain = re.sub(r"<(script|style).*?</\1>|<[^>]+>", " ", excerpt, flags=re.DOTALL)
    plain = printable(" ".join(plain.split())) or "(empty)"
    return plain if len(plain) <= MESSAGE_CHARACTERS else plain[: MESSAGE_CHARACTERS - 1] + "…"
