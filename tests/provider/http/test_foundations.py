"""What the engines use of aiohttp and httpcore beyond their documents: red here names what a new version changed."""

import asyncio
import inspect

import aiohttp.http
import h11
import httpcore
import pytest
from aiohttp.base_protocol import BaseProtocol

from batchgen.provider.http.httpcore import Connection


async def parsed(data, **options):
    protocol = BaseProtocol(asyncio.get_running_loop())
    parser = aiohttp.http.HttpResponseParser(
        protocol,
        asyncio.get_running_loop(),
        2**16,
        max_line_size=1000,
        max_field_size=1000,
        max_headers=10,
        read_until_eof=True,
        auto_decompress=False,
        **options,
    )
    return parser.feed_data(data)


def test_aiohttps_parser_gives_messages_with_readers_that_count_and_know_their_end():
    messages, upgraded, rest = asyncio.run(parsed(b"HTTP/1.1 200 OK\r\nX-A: b\r\nContent-Length: 2\r\n\r\n{}"))
    [(message, payload)] = messages
    assert (message.code, message.raw_headers, message.should_close) == (
        200,
        ((b"X-A", b"b"), (b"Content-Length", b"2")),
        False,
    )
    assert (payload.total_bytes, payload.is_eof(), payload.read_nowait()) == (2, True, b"{}")
    assert (upgraded, rest) == (False, b"")


def test_aiohttps_parser_raises_its_own_family():
    with pytest.raises(aiohttp.http.HttpProcessingError):
        asyncio.run(parsed(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))


def test_aiohttps_protocol_says_whether_writing_is_paused_and_lets_reading_never_pause():
    assert isinstance(BaseProtocol.writing_paused, property)
    assert list(inspect.signature(BaseProtocol.resume_reading).parameters) == ["self", "resume_parser"]
    assert list(inspect.signature(BaseProtocol.pause_reading).parameters) == ["self"]


def test_httpcores_trace_names_the_end_of_sending_and_the_headers():
    seen = []

    async def trace(event, info):
        seen.append(event)

    async def exchange():
        stream = httpcore.AsyncMockStream([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
        origin = httpcore.Origin(b"http", b"here.test", 80)
        async with Connection(origin, stream, 1000) as connection:
            request = httpcore.Request(
                "GET", "http://here.test/", headers={"Host": "here.test"}, extensions={"trace": trace}
            )
            await (await connection.handle_async_request(request)).aread()

    asyncio.run(exchange())
    assert seen.index("http11.send_request_body.complete") < seen.index("http11.receive_response_headers.complete")


def test_httpcore_hands_our_cap_on_headers_to_h11():
    assert isinstance(httpcore.AsyncHTTP11Connection.MAX_INCOMPLETE_EVENT_SIZE, int)
    assert "max_incomplete_event_size" in inspect.signature(h11.Connection).parameters
