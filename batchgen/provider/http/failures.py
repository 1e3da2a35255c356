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


class TransportFailure(httpx.RequestError):
    """A failed exchange; ``headers_received`` says whether status line and headers of an answer had arrived."""

    def __init__(self, text: str, *, headers_received: bool = False) -> None:
        super().__init__(text)
        self.headers_received = headers_received


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


def headers_received(error: httpx.HTTPError) -> bool:
    """Return whether an answer had begun before the failure; False if the transport that raised does not say."""
    return isinstance(error, TransportFailure) and error.headers_received
