"""One HTTP/1.1 connection on asyncio: a request goes in whole, an answer comes out whole.

What nearly every server writes is read here; the rest is read by aiohttp's C parser.

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

from batchgen.provider.http.arriving_body import ArrivingBody
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
from batchgen.provider.http.plain_answer import PlainChunks, read_plain_head
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
        self._under_way = False
        self._outcome: Received | httpx.HTTPError | None = None
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._head = b""
        self._begun: tuple[int, Headers] | None = None
        # A body is read here if its length is stated, its end is that of the connection, or its chunks are plain.
        self._chunks: PlainChunks | None = None
        self._payload: StreamReader | None = None
        self._body = ArrivingBody()
        self._left_bytes: int | None = 0
        self._body_bytes = 0
        self._odd = False
        self._last_progress = 0.0
        self._unwritten_bytes = 0
        self._read_timeout_s: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._peek = select.poll()
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
        self._under_way, self._outcome, self._ended = True, None, self._loop.create_future()
        self._head, self._begun, self._chunks, self._payload = b"", None, None, None
        self._body = ArrivingBody(sent.sink)
        self._body_bytes, self._unwritten_bytes, self._odd = 0, 0, False
        self._method = sent.method
        self._max_body_bytes = sent.max_body_bytes
        try:
            self._write(sent.head, sent.body)
            self._last_progress = self._loop.time()
            if self.writing_paused and self.transport is not None:
                self._unwritten_bytes = self.transport.get_write_buffer_size()
            self._set_timer(sent.read_timeout_s)
            await self._ended
            return self._noticed(sent, self._told())
        except asyncio.CancelledError:
            if await self._arriving():
                return self._noticed(sent, self._told())
            self.close()
            raise
        except BaseException:
            self.close()
            raise
        finally:
            self._under_way, self._body = False, ArrivingBody()

    def _told(self) -> Received:
        """Return the answer that the exchange brought, or raise its failure."""
        if isinstance(self._outcome, Received):
            return self._outcome
        assert self._outcome is not None
        raise self._outcome

    async def _arriving(self) -> bool:
        """Return whether an answer has come whose time is up, or lies unread in the socket: it is paid for.

        A process that was stopped for a while finds its timers due before it has read its sockets.
        """
        if self._outcome is None and self._has_unread():
            # The future before it was cancelled with the task.
            self._ended = self._loop.create_future()
            with anyio.move_on_after(_ARRIVING_S, shield=True):
                await self._ended
        return self._outcome is not None

    def _is_open(self) -> bool:
        return self.transport is not None and not self.transport.is_closing()

    def _has_unread(self) -> bool:
        """Return whether the socket holds unread bytes, or an unread end of file."""
        if not self._is_open():
            return False
        return bool(self._peek.poll(0))

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
        self._peek.register(self.transport.get_extra_info("socket").fileno(), select.POLLIN)
        # Writing is then paused exactly while some of the request has not reached the kernel.
        # A TLS transport takes 0 to mean always.
        encrypted = self.transport.get_extra_info("ssl_object") is not None
        self.transport.set_write_buffer_limits(high=int(encrypted), low=0)

    def data_received(self, data: bytes) -> None:
        if not self._is_awaited:
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
        if self._is_awaited:
            self._on_end(exc, unwritten=unwritten)
        self._parser = None
        self._stop_timer()
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
            if not self._is_awaited:
                return b""
        return data

    def _on_head(self, head: bytes) -> None:
        plain = read_plain_head(head) if self._method != "HEAD" else None
        if plain is None:
            self._on_parsed_head(head)
            return
        self._begun, self._left_bytes = (plain.status, plain.headers), plain.length_bytes
        self._body.begin(*self._begun)
        self._reusable = plain.keeps_open
        if plain.length_bytes is None:
            self._head, self._chunks = head, PlainChunks()

    def _on_parsed_head(self, head: bytes) -> None:
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
        self._body.begin(message.code, headers)
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
            self._body.begin(0, [])
            self._body.add(head)
            self._break("not an HTTP answer")
            return
        self._begun = status, headers
        self._body.begin(status, headers)
        # Whatever its framing was meant to be: it ends at its one stated length, or is cut by the connection's end.
        self._left_bytes, self._odd = _stated_length(headers), True

    def _read(self, data: bytes) -> None:
        """Read bytes of the body."""
        self._body_bytes += len(data)
        if self._chunks is not None:
            self._read_plain_chunks(data, self._chunks)
        elif self._payload is not None:
            self._read_chunks(data, self._payload)
        else:
            self._body.add(data)
            if self._left_bytes is not None:
                self._left_bytes -= len(data)
        if not self._is_awaited:
            return
        if self._body_bytes > self._max_body_bytes:
            text = self._text(f"the answer passes {self._max_body_bytes} bytes, not read further")
            self._fail(BodyTooLarge(text, partial=self._partial()))
        elif self._left_bytes is not None and self._left_bytes <= 0:
            # More than the stated length is kept with it: a wrong length must not cost the end of a picture.
            self._reusable = self._reusable and self._left_bytes == 0
            self._complete()

    def _read_plain_chunks(self, data: bytes, chunks: PlainChunks) -> None:
        for part in chunks.read(data):
            self._body.add(part)
        if chunks.is_done:
            self._reusable = self._reusable and not chunks.rest
            self._left_bytes = 0
        elif chunks.is_odd:
            self._chunks = None
            self._hand_over(chunks)

    def _hand_over(self, chunks: PlainChunks) -> None:
        """Let the parser go on amid a body, which it is shown the beginning of in short."""
        begun = b"1\r\nx" if chunks.is_in_chunk else b""
        self._parser = self._new_parser(self._method)
        ((_, payload),) = self._parser.feed_data(self._head + begun)[0]
        if begun:
            payload.read_nowait()
        self._payload = payload
        self._read_chunks(chunks.rest, payload)

    def _read_chunks(self, data: bytes, payload: StreamReader) -> None:
        assert self._parser is not None
        try:
            more = self._parser.feed_data(data)[0]
        except HttpProcessingError as error:
            # The parser keeps to itself what it read of these bytes: they are kept as they came.
            self._body.add(data)
            self._break(f"not an HTTP answer ({type(error).__name__})")
            return
        self._body.add(payload.read_nowait())
        if payload.is_eof():
            # Behind it stands what nobody asked for: the connection is not used again.
            self._reusable = self._reusable and not more
            self._left_bytes = 0

    def _partial(self) -> Received | None:
        """Return what has arrived, if at least the headers have."""
        return Received(*self._begun, self._body.content()) if self._begun is not None else None

    def _complete(self) -> None:
        assert self._begun is not None
        if self.writing_paused:
            self._reusable = False
        self._end(Received(*self._begun, self._body.content()))

    @property
    def _is_awaited(self) -> bool:
        """Return whether an exchange is under way that has not ended, though its task may be cancelled already."""
        return self._under_way and self._outcome is None

    def _end(self, outcome: Received | httpx.HTTPError) -> None:
        self._outcome = outcome
        if not self._ended.done():
            self._ended.set_result(None)

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
        elif self._begun and self._is_until_the_end:
            self._complete()
        else:
            part = "amid the answer" if self._begun else "without an answer"
            self._break(f"closed after the request was sent, {part}")

    @property
    def _is_until_the_end(self) -> bool:
        """Return whether the body ends where the connection does."""
        return self._left_bytes is None and self._chunks is None and self._payload is None and not self._odd

    # Time between bytes.

    def _set_timer(self, timeout_s: float | None) -> None:
        """See to it that the connection's one timer is due no later than ``timeout_s`` from now.

        The timer stays from one exchange to the next: most end long before it is due.
        """
        self._read_timeout_s = timeout_s
        if timeout_s is None:
            self._stop_timer()
            return
        due = self._loop.time() + timeout_s
        if self._timer is None or self._timer.when() > due:
            self._stop_timer()
            self._timer = self._loop.call_at(due, self._watch)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self) -> None:
        """Check the time since the last byte, and set the timer for the rest."""
        self._timer, timeout_s = None, self._read_timeout_s
        if not self._is_awaited or timeout_s is None:
            return
        now = self._loop.time()
        unwritten_bytes = self.transport.get_write_buffer_size() if self.transport is not None else 0
        if unwritten_bytes != self._unwritten_bytes:
            self._unwritten_bytes, self._last_progress = unwritten_bytes, now
        left_s = self._last_progress + timeout_s - now
        if left_s <= 0 and self._has_unread():
            # A process that was stopped for a while has not read yet what arrived meanwhile.
            left_s = _UNREAD_S
        if left_s > 0:
            self._timer = self._loop.call_later(left_s, self._watch)
        elif self.writing_paused and not self._begun:
            self._fail(WriteTimedOut(self._text(f"took no byte of the request for {timeout_s:g} s")))
        else:
            self._fail(ReadTimedOut(self._text(f"sent no byte for {timeout_s:g} s"), partial=self._partial()))

    def _fail(self, error: httpx.HTTPError) -> None:
        if self._is_awaited:
            self._end(error)
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
