"""A whole answer as an httpx response: inflated only if the request asked for it, and never past the cap."""

import httpx

from batchgen.provider.http.failures import AnswerUndecodable, BodyTooLarge, ProxyRefused
from batchgen.provider.http.outgoing import Outgoing
from batchgen.provider.http.received import Content, Headers, Received

_SLICE_BYTES = 64 * 1024
# Only a proxy answers so; other statuses may be the server's.
_PROXY_WANTS_A_PASSWORD = 407


def response(sent: Outgoing, answer: Received) -> httpx.Response:
    """Return the answer as a response. Raise `BodyTooLarge` or `AnswerUndecodable`."""
    extensions: dict[str, object] = {"repeats": True} if answer.repeats else {}
    if _coding(answer) == b"identity" or not answer.body:
        return _response(answer.status, answer.headers, answer.body, extensions)
    return _as_given(answer, inflated(sent, answer), extensions)


def refuse_proxy(sent: Outgoing, answer: Received) -> None:
    """Raise `ProxyRefused` for the answer of a proxy that wants a password."""
    if sent.forwarder is not None and answer.status == _PROXY_WANTS_A_PASSWORD:
        raise ProxyRefused(f"{sent.origin}: {sent.forwarder} answered 407 and forwarded nothing")


def inflated(sent: Outgoing, answer: Received) -> Content:
    """Return the body, inflated if the request asked for its coding. Raise `BodyTooLarge` or `AnswerUndecodable`."""
    coding = _coding(answer)
    asked_for = all(part.strip() in sent.accepted_codings for part in coding.split(b","))
    return _inflated(sent, answer) if answer.body and coding != b"identity" and asked_for else answer.body


def _coding(answer: Received) -> bytes:
    return next((value for name, value in answer.headers if name.lower() == b"content-encoding"), b"identity").lower()


def body_of(response: httpx.Response) -> Content:
    """Return the body of a response; a view of the sink's file if the body is large and was kept there."""
    sunk: memoryview | None = response.extensions.get("body")
    return response.content if sunk is None else sunk


def _response(status: int, headers: Headers, body: Content, extensions: dict[str, object]) -> httpx.Response:
    if isinstance(body, memoryview):
        # httpx would copy it into memory.
        return httpx.Response(status, headers=headers, content=b"", extensions={**extensions, "body": body})
    return httpx.Response(status, headers=headers, content=body, extensions=extensions)


def _as_given(answer: Received, body: Content, extensions: dict[str, object]) -> httpx.Response:
    # httpx inflates on construction whatever says Content-Encoding, so that header is put back afterwards.
    plain = [header for header in answer.headers if header[0].lower() != b"content-encoding"]
    given = _response(answer.status, plain, body, extensions)
    given.headers = httpx.Headers(answer.headers)
    return given


def _inflated(sent: Outgoing, answer: Received) -> bytes:
    headers, body = answer.headers, answer.body
    slices = (bytes(body[start : start + _SLICE_BYTES]) for start in range(0, len(body), _SLICE_BYTES))
    packed = httpx.Response(200, headers=headers, content=slices)
    whole = bytearray()
    try:
        for part in packed.iter_bytes():
            whole += part
            if len(whole) > sent.max_body_bytes:
                raise BodyTooLarge(
                    f"{sent.origin}: the answer inflates beyond {sent.max_body_bytes} bytes", partial=answer
                )
    except httpx.DecodingError as error:
        raise AnswerUndecodable(f"{sent.origin}: the compressed answer does not inflate", partial=answer) from error
    return bytes(whole)
