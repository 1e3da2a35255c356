"""What every engine promises, and the one to use.

An engine is an `httpx.AsyncBaseTransport`: a whole request goes in, a response with its body already read comes out.

1. Its exceptions say whether the request was sent (`failures`), or that this is unknown.
2. It sends a request once: no retry, no redirect, no cookie, no proxy or credential from the environment. It may try
   several addresses, but connects to one of them before it sends anything.
3. It reuses a connection only if idle for less than `idle_s`, and after a check of its socket.
4. It connects to an address that was checked, or by the proxy or socket it was given, verifies certificates, caps
   headers, body and the time between bytes, and inflates only what was asked for. What had arrived when an exchange
   failed is with the exception.
5. It never scans all connections for one request.

`request.extensions["sink"]` is given the head of the answer and each part of the body as it arrives; what is large is
then not held in memory, and `body_of` returns a view of what the sink holds.

A response with `extensions["repeats"]` equals the one before it on its connection, to a post with another body.

:meth:`WholeExchange.exchange` promises the same of bytes, for those who do without httpx's objects.

`request.extensions["timeout"]["read"]` overrides the time between bytes, `["max_body_bytes"]` the cap on a body.
"""

from batchgen.provider.http.addresses import AddressRule, rule_for_downloads
from batchgen.provider.http.arriving_body import Sink
from batchgen.provider.http.async_library import on_asyncio
from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.failures import AddressRefused, BodyTooLarge, CertificateInvalid, partial_of
from batchgen.provider.http.incoming import body_of, inflated, response
from batchgen.provider.http.outgoing import Outgoing, Prepared
from batchgen.provider.http.received import Content, Headers, Received
from batchgen.provider.http.whole_exchange import WholeExchange

__all__ = [
    "AddressRefused",
    "AddressRule",
    "BodyTooLarge",
    "CertificateInvalid",
    "Content",
    "EngineOptions",
    "Headers",
    "Outgoing",
    "Prepared",
    "Received",
    "Sink",
    "WholeExchange",
    "body_of",
    "inflated",
    "open_engine",
    "partial_of",
    "response",
    "rule_for_downloads",
]


def open_engine(options: EngineOptions) -> WholeExchange:
    """Return the engine for the async library that is running; close it with `aclose`, or use it in `async with`."""
    if on_asyncio():
        from batchgen.provider.http.aiohttp import AiohttpEngine

        return AiohttpEngine(options)
    from batchgen.provider.http.httpcore import HttpcoreEngine

    return HttpcoreEngine(options)
