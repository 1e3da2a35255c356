"""The exceptions of an engine: httpx's, each for one phase of the exchange.

    ConnectFailed, ConnectTimedOut        nothing of the request left this machine
      AddressRefused                      the name resolved to nothing that may be connected to
      CertificateInvalid                  the server could not prove its name
      ProxyRefused                        the proxy let nothing through
    WriteFailed, WriteTimedOut            the request was not sent completely: the server cannot have accepted it
    ReadFailed, ReadTimedOut              sent, and the outcome is unknown
      BodyTooLarge                        the answer passed the cap and was not read further
    AnswerBroken                          sent, and what came back is not a whole HTTP answer
    AnswerUndecodable                     sent, and the compressed answer that was asked for does not inflate

`httpx.LocalProtocolError` and `httpx.UnsupportedProtocol` refuse what cannot be written as HTTP/1.1; nothing is sent.
No text contains a header's value.
"""

import httpx

from batchgen.provider.http.received import Received


class TransportFailure(httpx.RequestError):
    """A failed exchange. ``partial`` is what had arrived of an answer, ``None`` if not even its headers had."""

    def __init__(self, text: str, *, partial: Received | None = None) -> None:
        super().__init__(text)
        self.partial = partial

    @property
    def headers_received(self) -> bool:
        return self.partial is not None


class ConnectFailed(TransportFailure, httpx.ConnectError):
    pass


class ConnectTimedOut(TransportFailure, httpx.ConnectTimeout):
    pass


class AddressRefused(TransportFailure, httpx.ConnectError):
    pass


class CertificateInvalid(TransportFailure, httpx.ConnectError):
    pass


class ProxyRefused(TransportFailure, httpx.ConnectError):
    pass


class WriteFailed(TransportFailure, httpx.WriteError):
    pass


class WriteTimedOut(TransportFailure, httpx.WriteTimeout):
    pass


class ReadFailed(TransportFailure, httpx.ReadError):
    pass


class ReadTimedOut(TransportFailure, httpx.ReadTimeout):
    pass


class BodyTooLarge(TransportFailure, httpx.ReadError):
    pass


class AnswerBroken(TransportFailure, httpx.RemoteProtocolError):
    pass


class AnswerUndecodable(TransportFailure, httpx.DecodingError):
    pass


def partial_of(error: httpx.HTTPError) -> Received | None:
    """Return what had arrived of an answer before the failure; ``None`` if the transport that raised does not say."""
    return error.partial if isinstance(error, TransportFailure) else None
