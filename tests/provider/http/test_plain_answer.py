"""What is read by hand is read as aiohttp's parser reads it, wherever an answer is cut into pieces."""

import asyncio
import socket
from contextlib import contextmanager

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchgen.provider.http import aiohttp_connection
from batchgen.provider.http.aiohttp_connection import AiohttpConnection
from batchgen.provider.http.freelist import Origin
from batchgen.provider.http.outgoing import Outgoing
from batchgen.provider.http.plain_answer import PlainChunks, read_plain_head

ORIGIN = Origin("http", "127.0.0.1", 80)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
HEARTBEATS = b"1\r\n \r\n1\r\n \r\n"
ANSWER = CHUNKED + HEARTBEATS + b'b\r\n{"data":[]}\r\n0\r\n\r\n'


def chunks(*parts):
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (*parts, b""))


@pytest.mark.parametrize(
    ("more", "found"),
    [
        (b"Content-Length: 5\r\n", (5, True)),
        (b"content-length:5\r\nConnection: keep-alive\r\n", (5, True)),
        (b"Content-Length: 5\r\nConnection: Close\r\n", (5, False)),
        (b"Transfer-Encoding: Chunked\r\nX-Empty:\r\n", (None, True)),
    ],
)
def test_a_plain_head_says_how_long_its_body_is_and_what_becomes_of_the_connection(more, found):
    plain = read_plain_head(HEAD + more + b"\r\n")
    assert (plain.status, plain.length_bytes, plain.keeps_open) == (200, *found)
    assert plain.headers[:2] == [(b"Content-Type", b"application/json"), (b"Date", b"Sat, 28 Nov 2026 12:00:00 GMT")]


@pytest.mark.parametrize(
    "head",
    [
        HEAD + b"\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Content-Length: +5\r\n\r\n",
        HEAD + b"Content-Length: 5, 5\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nConnection: upgrade\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nUpgrade: h2c\r\n\r\n",
        HEAD + b"Content-Length : 5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n folded: 1\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nX: \xc3\xa9\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nX: a\tb\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n",
    ],
)
def test_any_other_head_is_left_to_the_parser(head):
    assert read_plain_head(head) is None


@pytest.mark.timeout(10)
def test_a_head_made_to_keep_a_reader_busy_does_not():
    value = b"a" + b" " * 60_000 + b"b"
    assert read_plain_head(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: " + value + b"\r\n\r\n").headers[1][1] == value


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.data())
def test_a_body_in_chunks_is_whole_however_it_arrives(parts, data):
    reader, text, read = PlainChunks(), chunks(*parts) + b"more", []
    while text and not reader.is_done:
        piece = data.draw(st.integers(1, len(text)))
        read += reader.read(text[:piece])
        text = text[piece:]
    assert b"".join(read) == b"".join(parts)
    assert reader.is_done
    assert not reader.is_odd
    assert reader.rest + text == b"more"


@pytest.mark.parametrize(
    "text",
    [
        b"5;x=1\r\nabcde\r\n",
        b"0x5\r\nabcde\r\n",
        b"\r\n5\r\n",
        b"g\r\n",
        b"0\r\nX: 1\r\n\r\n",
        b"0" * 20,
        b"5\nabcde\n",
    ],
)
def test_chunks_in_other_forms_are_odd_where_they_begin(text):
    reader = PlainChunks()
    assert reader.read(b"3\r\nabc\r\n" + text) == [b"abc"]
    assert (reader.is_odd, reader.is_in_chunk, reader.rest) == (True, False, text)


def test_a_chunk_that_does_not_end_where_it_said_is_odd_there():
    reader = PlainChunks()
    assert reader.read(b"3\r\nabcd\r\n") == [b"abc"]
    assert (reader.is_odd, reader.is_in_chunk, reader.rest) == (True, True, b"d\r\n")


SENT = Outgoing(ORIGIN, "POST", b"/", b"POST / HTTP/1.1\r\n\r\n", [], b"", 5.0, 10_000, b"identity")


@contextmanager
def parsed_only():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aiohttp_connection, "read_plain_head", lambda _: None)
        yield


async def outcome(pieces):
    """What an exchange makes of an answer that arrives in ``pieces``, after which the service closes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        make = lambda: AiohttpConnection(ORIGIN, 4096)  # noqa: E731
        _, connection = await asyncio.get_running_loop().create_connection(make, sock=ours)
        exchange = asyncio.ensure_future(connection.exchange(SENT))
        await asyncio.sleep(0)
        for piece in pieces:
            connection.data_received(piece)
        alive = connection.is_alive()
        theirs.close()
        try:
            received = await exchange
        except httpx.HTTPError as error:
            partial = error.partial
            return type(error), partial and (partial.status, partial.headers, partial.body), alive
        finally:
            connection.close()
            await asyncio.sleep(0)
        return received.status, received.headers, received.body, alive


def both(pieces):
    read = asyncio.run(outcome(pieces))
    with parsed_only():
        return read, asyncio.run(outcome(pieces))


def alike(read, parsed):
    """Whether two outcomes are one. Of a broken body the parser keeps its last piece as it came, with its framing."""
    if isinstance(read[0], type) and read[1] and parsed[1]:
        return (read[0], read[1][:2], read[2]) == (parsed[0], parsed[1][:2], parsed[2])
    return read == parsed


@pytest.mark.parametrize("answer", [ANSWER, HEAD + b"Content-Length: 5\r\n\r\nabcde"])
def test_an_answer_cut_after_any_byte_is_what_the_parser_makes_of_it(answer):
    for end in range(len(answer) + 1):
        read, parsed = both([answer[:end]])
        assert read == parsed
    assert read[0] == 200


@pytest.mark.parametrize(
    "body",
    [
        b"5;x=1\r\nabcde\r\n0\r\n\r\n",
        b"3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n",
        b"3\r\nabcd\r\n0\r\n\r\n",
        b"3\r\nabc\r\nzz\r\n",
        b"3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
        b"3\r\nabc\n3\r\nabc\r\n0\r\n\r\n",
        b"3 \r\nabc\r\n0\r\n\r\n",
        b"0\r\n\r\n",
        b"FFFFFFFFFFFFFFFF\r\nabc",
        chunks(b"x" * 9_990, b"y" * 100),
    ],
)
def test_odd_chunks_are_read_as_the_parser_reads_them(body):
    for pieces in ([CHUNKED + body], [CHUNKED, body], [CHUNKED + body[:7], body[7:]]):
        read, parsed = both(pieces)
        assert alike(read, parsed)


@settings(max_examples=150)
@given(st.data())
def test_an_altered_answer_in_any_pieces_is_read_as_the_parser_reads_it(data):
    answer = bytearray(data.draw(st.sampled_from([ANSWER, HEAD + b"Content-Length: 5\r\n\r\nabcde"])))
    for _ in range(data.draw(st.integers(0, 2))):
        answer[data.draw(st.integers(0, len(answer) - 1))] = data.draw(st.sampled_from(b"\r\n :;0159afx\0\xff"))
    cut = data.draw(st.integers(1, len(answer)))
    read, parsed = both([bytes(answer[:cut]), bytes(answer[cut:])])
    assert alike(read, parsed)
