"""One HTTP/1.1 connection on asyncio: a request goes in whole, an answer comes out whole, by aiohttp's C parser.

aiohttp's session streams bodies through a reader with back pressure; a whole body needs one future and nothing else.
"""

import asyncio
import re
import select

import anyio
import httpx
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http import HttpProcessingError, HttpResponseParser

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
from batchgen.provider.http.outgoing import Outgoing
from batchgen.provider.http.received import Headers, Received
from batchgen.provider.http.repeat_check import RepeatCheck

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
        self._answer: asyncio.Future[Received] | None = None
        self._head = b""
        self._begun: tuple[int, Headers] | None = None
        # A body is read here if its length is stated, or its end is that of the connection; chunks are aiohttp's.
        self._payload: StreamReader | None = None
        self._parts: list[bytes] = []
        self._left_bytes: int | None = 0
        self._body_bytes = 0
        self._odd = False
        self._last_progress = 0.0
        self._unwritten_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._reusable = True
        self._write_refused = False
        self._noticed = RepeatCheck()

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

    async def exchange(self, sent: Outgoing) -> Received:
        """Return the answer, which may arrive before the whole request is written. Raise a `TransportFailure`."""
        if not self._is_open():
            raise ConnectFailed(self._text("closed as soon as it was opened; nothing was sent"))
        self._answer = self._loop.create_future()
        self._head, self._begun, self._payload, self._parts = b"", None, None, []
        self._body_bytes, self._unwritten_bytes, self._odd = 0, 0, False
        self._method = sent.method
        self._max_body_bytes = sent.max_body_bytes
        self._parser = self._new_parser(sent.method)
        try:
            self._write(sent.head, sent.body)
            self._last_progress = self._loop.time()
            if sent.read_timeout_s is not None:
                self._watch(sent.read_timeout_s)
            return self._noticed(sent, await asyncio.shield(self._answer))
        except asyncio.CancelledError:
            if answer := await self._arriving():
                return self._noticed(sent, answer)
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

    async def _arriving(self) -> Received | None:
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
        if self._begun is None:
            data = self._begin(self._head + data)
        if self._begun is not None and (data or self._left_bytes == 0):
            self._read(data)

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

    def _begin(self, data: bytes) -> bytes:
        """Read status and headers, once they are whole; return what stands behind them."""
        while self._begun is None:
            head, end, rest = data.partition(b"\r\n\r\n")
            if not end:
                self._head = data
                if len(data) > self._max_header_bytes:
                    self._break(f"more than {self._max_header_bytes} bytes of headers")
                elif data[:5] != b"HTTP/"[: len(data)]:
                    self._on_odd_head(data)
                return b""
            if len(head) > self._max_header_bytes:
                self._break(f"more than {self._max_header_bytes} bytes of headers")
                return b""
            data = rest
            self._on_head(head + end)
            if self._answer is None or self._answer.done():
                return b""
        return data

    def _on_head(self, head: bytes) -> None:
        self._parser = self._new_parser(self._method)
        try:
            (message, payload), *_ = self._parser.feed_data(head)[0]
        except (HttpProcessingError, ValueError):
            self._on_odd_head(head)
            return
        if message.code < 200 and message.code != 101:
            return
        headers = list(message.raw_headers)
        self._begun = message.code, headers
        self._reusable = not (message.should_close or message.upgrade)
        if message.chunked:
            self._payload, self._left_bytes = payload, None
        elif self._method == "HEAD" or message.code in _BODILESS:
            self._left_bytes = 0
        else:
            self._left_bytes = _stated_length(headers)

    def _on_odd_head(self, head: bytes) -> None:
        """Read a head that no parser takes: what stands behind it may be paid for. The connection ends with it."""
        self._reusable = False
        status, headers = _odd_head(head)
        if status == 0:
            self._begun = 0, []
            self._parts = [head]
            self._break("not an HTTP answer")
            return
        self._begun = status, headers
        # Whatever its framing was meant to be: it ends at its one stated length, or is cut by the connection's end.
        self._left_bytes, self._odd = _stated_length(headers), True

    def _read(self, data: bytes) -> None:
        """Read bytes of the body."""
        self._body_bytes += len(data)
        if self._payload is not None:
            self._read_chunks(data, self._payload)
        else:
            self._parts.append(data)
            if self._left_bytes is not None:
                self._left_bytes -= len(data)
        if self._answer is None or self._answer.done():
            return
        if self._body_bytes > self._max_body_bytes:
            text = self._text(f"the answer passes {self._max_body_bytes} bytes, not read further")
            self._fail(BodyTooLarge(text, partial=self._partial()))
        elif self._left_bytes is not None and self._left_bytes <= 0:
            # More than the stated length is kept with it: a wrong length must not cost the end of a picture.
            self._reusable = self._reusable and self._left_bytes == 0
            self._complete()

    def _read_chunks(self, data: bytes, payload: StreamReader) -> None:
        assert self._parser is not None
        try:
            more = self._parser.feed_data(data)[0]
        except HttpProcessingError as error:
            # The parser keeps to itself what it read of these bytes: they are kept as they came.
            self._parts.append(data)
            self._break(f"not an HTTP answer ({type(error).__name__})")
            return
        self._parts.append(payload.read_nowait())
        if payload.is_eof():
            # Behind it stands what nobody asked for: the connection is not used again.
            self._reusable = self._reusable and not more
            self._left_bytes = 0

    def _body(self) -> bytes:
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)

    def _partial(self) -> Received | None:
        """Return what has arrived, if at least the headers have."""
        return Received(*self._begun, self._body()) if self._begun is not None else None

    def _complete(self) -> None:
        assert self._answer is not None
        assert self._begun is not None
        if self.writing_paused:
            self._reusable = False
        self._answer.set_result(Received(*self._begun, self._body()))

    def _break(self, why: str) -> None:
        self._fail(AnswerBroken(self._text(why), partial=self._partial()))

    def _on_end(self, exc: BaseException | None, *, unwritten: bool) -> None:
        """Tell four ends apart: before all was written, by an error, as the end of a body, too early."""
        if unwritten and not self._begun:
            self._fail(
                WriteFailed(self._text(f"closed before the request was sent completely ({exc or 'end of file'})"))
            )
        elif exc is not None:
            self._fail(ReadFailed(self._text(f"lost after the request was sent ({exc})"), partial=self._partial()))
        elif self._begun and self._payload is None and self._left_bytes is None and not self._odd:
            self._complete()
        else:
            part = "amid the answer" if self._begun else "without an answer"
            self._break(f"closed after the request was sent, {part}")

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
            self._fail(ReadTimedOut(self._text(f"sent no byte for {timeout_s:g} s"), partial=self._partial()))

    def _fail(self, error: httpx.HTTPError) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error)
        self.close()

    def _text(self, what: str) -> str:
        return f"{self._origin}: {what}"


_BODILESS = frozenset({204, 304})
_STATUS_LINE = re.compile(rb"HTTP/\d(?:\.\d)? (\d{3})\b")


def _stated_length(headers: Headers) -> int | None:
    """Return the length that the headers state, however often; ``None`` if they state none, or several."""
    values = [value for name, value in headers if name.lower() == b"content-length"]
    stated = {part.strip() for value in values for part in value.split(b",")}
    length = stated.pop() if len(stated) == 1 else b""
    return int(length) if length.isdigit() and len(length) < 19 else None


def _odd_head(head: bytes) -> tuple[int, Headers]:
    """Return status and headers of a head that breaks the rules; status 0 for one without a status line."""
    first, *lines = head.rstrip().split(b"\r\n")
    match = _STATUS_LINE.match(first)
    pairs = [line.partition(b":") for line in lines]
    return int(match[1]) if match else 0, [(name.strip(), value.strip()) for name, colon, value in pairs if colon]
