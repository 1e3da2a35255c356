"""What an answer means: a generation if it holds a picture, whatever its status, else what the tables say."""

from __future__ import annotations

import errno
import time
from collections.abc import Collection
from dataclasses import replace

import httpx

from batchgen.provider.answer_reader import Reading, read_answer
from batchgen.provider.arrival import Arrival
from batchgen.provider.cost import Statement, statement
from batchgen.provider.error_text import Saying, saying, short
from batchgen.provider.http.interface import AddressRefused, BodyTooLarge, CertificateInvalid
from batchgen.provider.interface import Answer, Answered, Failed, Verdict
from batchgen.provider.verdicts import rule_for
from batchgen.provider.waiting import rate_limit, retry_after_s
from batchgen.request import Generation

_OUT_OF_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE})


def read(arrival: Arrival, kind: str, *, base_url: str = "", sent: Collection[str] = ()) -> Answer:
    """Return what an answer of a service means, by the table of its ``kind``. Never raises.

    ``sent`` are the digests of what was sent: an answer that repeats them holds no picture. Relative addresses are
    joined with ``base_url``.
    """
    reading = read_answer(arrival, base_url=base_url, sent=sent)
    stated = statement(reading.fields, arrival.headers, kind)
    answer = _answered(arrival, reading, stated) or _failed(arrival, reading, kind, stated)
    limit = rate_limit({name.lower(): value for name, value in arrival.headers})
    return replace(answer, rate_limit=limit) if limit else answer


def _answered(arrival: Arrival, reading: Reading, stated: Statement) -> Answer | None:
    if not reading.pictures:
        return None
    if arrival.repeats:
        return Failed(
            Verdict.DOUBT,
            "repeated_answer",
            "the service sent the answer to the request before this one again, byte for byte",
            arrival.status,
        )
    source = stated.cost_source or "answer"
    return Answered(
        Generation(reading.pictures, stated.cost_microusd, stated.latency_ms, source, stated.flag, stated.usage)
    )


def _failed(arrival: Arrival, reading: Reading, kind: str, stated: Statement) -> Failed:
    headers = httpx.Headers(arrival.headers)
    status, said = arrival.status, saying(reading)
    if arrival.cut:
        return Failed(Verdict.DOUBT, "answer_cut", f"{arrival.cut}: {said.message}", status)
    if reading.job:
        message = f"the service took a job instead of answering: {short(reading.job)}; look for its picture there"
        return Failed(Verdict.DOUBT, "accepted_job", message, status)
    cost = stated.cost_microusd
    if cost:
        reason = "billed_error" if said.is_error else "no_picture"
        message = f"billed without a picture: {said.message}"
        source = stated.cost_source or "answer"
        return Failed(Verdict.SPOILED, reason, message, status, cost_microusd=cost, cost_source=source)
    if 200 <= status < 300 and (lacking := _begun(arrival, reading)):
        return Failed(Verdict.DOUBT, "unreadable_answer", lacking, status)
    wait_s = retry_after_s(headers, now_epoch_s=time.time())
    rule = rule_for(kind, status, said, states_wait=wait_s is not None)
    return Failed(
        rule.verdict,
        rule.reason.format(status=status),
        _message(arrival, said, rule.reason, headers),
        status,
        wait_s if wait_s is not None else said.wait_s,
        cost_microusd=cost,
        maybe_billed=rule.maybe_billed,
    )


def _begun(arrival: Arrival, reading: Reading) -> str | None:
    """Return why a success is no whole answer: nothing came, or a document that does not end."""
    if arrival.is_blank:
        return "the answer is empty"
    if not reading.is_json and reading.text.lstrip("\ufeff \t\r\n")[:1] in {"{", "["}:
        return f"the answer is no whole JSON: {short(reading.text)}"
    return None


def _message(arrival: Arrival, said: Saying, reason: str, headers: httpx.Headers) -> str:
    match reason:
        case "redirect":
            to = short(headers.get("location", "nowhere"))
            return f"the service redirects to {to}; check base_url: a paid post is never redirected"
        case "key_rejected":
            return f"the service rejected the key (HTTP {arrival.status}: {said.message})"
        case "wrong_base_url":
            return f"nothing answers at this address (HTTP {arrival.status}: {said.message})"
        case "no_picture":
            return f"the answer holds no picture: {said.message}"
    return said.message if 200 <= arrival.status < 300 else f"HTTP {arrival.status}: {said.message}"


def read_transport_error(error: httpx.HTTPError, message: str) -> Failed:
    """Return what a missing response means; the error's class says how much was sent. ``message`` has no secrets."""
    message = short(message or type(error).__name__)
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
