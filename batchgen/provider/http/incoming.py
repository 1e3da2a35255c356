"""A whole answer as an httpx response: inflated only if the request asked for it, and never past the cap."""

from dataclasses import dataclass

import httpx

from batchgen.provider.http.failures import AnswerUndecodable, BodyTooLarge, ProxyRefused
from batchgen.provider.http.outgoing import Outgoing

Headers = list[tuple[bytes, bytes]]

_SLICE_BYTES = 64 * 1024
# Only a proxy answers so; other statuses may be the server's.
_PROXY_WANTS_A_PASSWORD = 407


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as received, its chunks joined and nothing else changed."""

    status: int
    headers: Headers
    body: bytes


def response(sent: Outgoing, answer: Answer) -> httpx.Response:
    """Return the answer as a response. Raise `BodyTooLarge`, `AnswerUndecodable` or `ProxyRefused`."""
    if sent.forwarder is not None and answer.status == _PROXY_WANTS_A_PASSWORD:
        raise ProxyRefused(f"{sent.origin}: {sent.forwarder} answered 407 and forwarded nothing")
    headers, body = answer.headers, answer.body
    coding = next((value for name, value in headers if name.lower() == b"content-encoding"), b"identity").lower()
    if coding == b"identity" or not body:
        return httpx.Response(answer.status, headers=headers, content=body)
    if all(part.strip() in sent.accepted_codings for part in coding.split(b",")):
        body = _inflated(sent, headers, body)
    return _as_given(answer.status, headers, body)


def _as_given(status: int, headers: Headers, body: bytes) -> httpx.Response:
    # httpx inflates on construction whatever says Content-Encoding, so that header is put back afterwards.
    plain = httpx.Response(status, headers=[h for h in headers if h[0].lower() != b"content-encoding"], content=body)
    plain.headers = httpx.Headers(headers)
    return plain


def _inflated(sent: Outgoing, headers: Headers, body: bytes) -> bytes:
    slices = (body[start : start + _SLICE_BYTES] for start in range(0, len(body), _SLICE_BYTES))
    packed = httpx.Response(200, headers=headers, content=slices)
    whole = bytearray()
    try:
        for part in packed.iter_bytes():
            whole += part
            if len(whole) > sent.max_body_bytes:
                raise BodyTooLarge(
                    f"{sent.origin}: the answer inflates beyond {sent.max_body_bytes} bytes", headers_received=True
                )
    except httpx.DecodingError as error:
        raise AnswerUndecodable(
            f"{sent.origin}: the compressed answer does not inflate", headers_received=True
        ) from error
    return bytes(whole)
