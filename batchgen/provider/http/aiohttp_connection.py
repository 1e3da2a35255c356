"""One HTTP/1.1 connection on asyncio: a request goes in whole, an answer comes out whole, by aiohttp's C parser.

aiohttp's session streams bodies through a reader with back pressure; a whole body needs one future and nothing else.
"""

import asyncio
import select

import anyio
import httpx
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpResponseParser, RawResponseMessage

from batchgen.provider.http.failures import (
    AnswerBroken,
    BodyTooLarge,
    ConnectFailed,
    ReadFailed,
    ReadTimedOut,
    WriteFailed,
    WriteTimedOut,
)
from batchgen.provider.http.freelist import Origin
from batchgen.provider.http.incoming import Answer
from batchgen.provider.http.outgoing import Outgoing

# How long reading an answer may take that began to arrive when time was up.
_ARRIVING_S = 1.0
_UNREAD_S = 0.05
# Below this, one copy into one packet is cheaper than a second system call.
_JOINED_BYTES = 64 * 1024
_MAX_HEADERS = 1024


class AiohttpConnection(BaseProtocol):
    """Used by one exchange at a time; after a failure or a cancellation it is closed and never alive again."""

    def __init__(self, origin: Origin, max_header_bytes: int) -> None:
        super().__init__(asyncio.get_running_loop())
        self._origin = origin
        self._max_header_bytes = max_header_bytes
        self._max_body_bytes = 0
        self._answer: asyncio.Future[Answer] | None = None
        self._message: RawResponseMessage | None = None
        self._payload: StreamReader | None = None
        self._header_bytes = 0
        self._last_progress = 0.0
        self._unwritten_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._reusable = True
        self._write_refused = False

    @property
    def reusable(self) -> bool:
        """Whether, by what the peer said, this connection may carry another exchange."""
        return self._reusable

    def is_alive(self) -> bool:
        """Return whether the connection is open, reusable, and its socket holds nothing unread."""
        return self._reusable and self._is_open() and not self._has_unread()

    def close(self) -> None:
        """Close the socket at once; unsent bytes are lost."""
        self._reusable = False
        if self.transport is not None:
            self.transport.abort()

    async def exchange(self, sent: Outgoing) -> Answer:
        """Return the answer, which may arrive before the whole request is written. Raise a `TransportFailure`."""
        if not self._is_open():
            raise ConnectFailed(self._text("closed as soon as it was opened; nothing was sent"))
        self._answer = self._loop.create_future()
        self._message, self._payload = None, None
        self._header_bytes, self._unwritten_bytes = 0, 0
        self._max_body_bytes = sent.max_body_bytes
        self._parser = self._new_parser(sent.method)
        try:
            self._write(sent.head, sent.body)
            self._last_progress = self._loop.time()
            if sent.read_timeout_s is not None:
                self._watch(sent.read_timeout_s)
            return await asyncio.shield(self._answer)
        except asyncio.CancelledError:
            if answer := await self._arriving():
                return answer
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        finally:
            self._answer = None
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    async def _arriving(self) -> Answer | None:
        """Return an answer that lies unread in the socket when its time is up: it has arrived, and is paid for.

        A process that was stopped for a while finds its timers due before it has read its sockets.
        """
        assert self._answer is not None
        if not self._answer.done() and not self._has_unread():
            return None
        with anyio.move_on_after(_ARRIVING_S, shield=True):
            return await asyncio.shield(self._answer)
        return None

    def _is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def _has_unread(self) -> bool:
        """Return whether the socket holds unread bytes, or an unread end of file."""
        if not self._is_open():
            return False
        assert self.transport is not None
        peek = select.poll()
        peek.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(peek.poll(0))

    def _new_parser(self, method: str) -> HttpResponseParser:
        return HttpResponseParser(
            self,
            self._loop,
            # The reader would pause the socket beyond twice this; the cap ends the exchange before.
            self._max_body_bytes,
            max_line_size=self._max_header_bytes,
            max_field_size=self._max_header_bytes,
            max_headers=_MAX_HEADERS,
            response_with_body=method != "HEAD",
            read_until_eof=True,
            auto_decompress=False,
        )

    def _write(self, head: bytes, body: bytes) -> None:
        assert self.transport is not None
        if len(body) <= _JOINED_BYTES:
            self.transport.write(head + body)
        else:
            self.transport.write(head)
            self.transport.write(body)
        # On a lost connection asyncio drops what it could not write at once, without an error or a pause.
        self._write_refused = self.transport.is_closing()

    # Events of the socket.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        assert self.transport is not None
        # Writing is then paused exactly while some of the request has not reached the kernel.
        # A TLS transport takes 0 to mean always.
        encrypted = self.transport.get_extra_info("ssl_object") is not None
        self.transport.set_write_buffer_limits(high=int(encrypted), low=0)

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.close()
            return
        self._last_progress = self._loop.time()
        assert self._parser is not None
        try:
            messages, _, _ = self._parser.feed_data(data)
        except HttpProcessingError as error:
            self._fail(
                AnswerBroken(self._text(f"not an HTTP answer ({type(error).__name__})"), headers_received=self._begun)
            )
            return
        for message, payload in messages:
            self._on_headers(message, payload)
        self._on_progress(len(data))

    def connection_lost(self, exc: BaseException | None) -> None:
        unwritten = self.writing_paused or self._write_refused
        self._reusable = False
        if self._answer is not None and not self._answer.done():
            self._on_end(exc, unwritten=unwritten)
        self._parser = None
        super().connection_lost(exc)

    def pause_reading(self) -> None:
        """Do nothing: the cap bounds an answer here, and aiohttp's reader must not pause the socket."""

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002 - aiohttp's signature
        pass

    # The state of the exchange.

    @property
    def _begun(self) -> bool:
        return self._message is not None

    def _on_headers(self, message: RawResponseMessage, payload: StreamReader) -> None:
        if message.code < 200 and message.code != 101:
            return
        if self._begun:
            # A second answer to one request: the first counts, and the connection is not used again.
            self._reusable = False
            return
        self._message, self._payload = message, payload
        self._reusable = not (message.should_close or message.upgrade)

    def _on_progress(self, received: int) -> None:
        if self._payload is None:
            self._header_bytes += received
            if self._header_bytes > self._max_header_bytes:
                self._fail(AnswerBroken(self._text(f"more than {self._max_header_bytes} bytes of headers")))
        elif self._payload.total_bytes > self._max_body_bytes:
            self._fail(
                BodyTooLarge(
                    self._text(f"the answer passes {self._max_body_bytes} bytes, not read further"),
                    headers_received=True,
                )
            )
        elif self._payload.is_eof():
            self._complete(self._payload)

    def _complete(self, payload: StreamReader) -> None:
        assert self._answer is not None
        assert self._message is not None
        if self.writing_paused:
            self._reusable = False
        body = payload.read_nowait()
        self._answer.set_result(Answer(self._message.code, list(self._message.raw_headers), body))

    def _on_end(self, exc: BaseException | None, *, unwritten: bool) -> None:
        """Tell four ends apart: before all was written, by an error, as the end of a body, too early."""
        if unwritten and not self._begun:
            self._fail(
                WriteFailed(self._text(f"closed before the request was sent completely ({exc or 'end of file'})"))
            )
        elif exc is not None:
            self._fail(ReadFailed(self._text(f"lost after the request was sent ({exc})"), headers_received=self._begun))
        elif self._ended_by_close():
            assert self._payload is not None
            self._complete(self._payload)
        else:
            part = "amid the answer" if self._begun else "without an answer"
            self._fail(
                AnswerBroken(self._text(f"closed after the request was sent, {part}"), headers_received=self._begun)
            )

    def _ended_by_close(self) -> bool:
        if self._payload is None or self._parser is None:
            return False
        try:
            self._parser.feed_eof()
        except HttpProcessingError:
            return False
        return self._payload.is_eof()

    # Time between bytes.

    def _watch(self, timeout_s: float) -> None:
        """Check the time since the last byte, and set the exchange's one timer for the rest."""
        now = self._loop.time()
        unwritten_bytes = self.transport.get_write_buffer_size() if self.transport is not None else 0
        if unwritten_bytes != self._unwritten_bytes:
            self._unwritten_bytes, self._last_progress = unwritten_bytes, now
        left_s = self._last_progress + timeout_s - now
        if left_s <= 0 and self._has_unread():
            # A process that was stopped for a while has not read yet what arrived meanwhile.
            left_s = _UNREAD_S
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._watch, timeout_s)
        elif self.writing_paused and not self._begun:
            self._fail(WriteTimedOut(self._text(f"took no byte of the request for {timeout_s:g} s")))
        else:
            self._fail(ReadTimedOut(self._text(f"sent no byte for {timeout_s:g} s"), headers_received=self._begun))

    def _fail(self, error: httpx.HTTPError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()

    def _text(self, what: str) -> str:
        return f"{self._origin}: {what}"
