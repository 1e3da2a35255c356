"""What a sink is given while an answer arrives, by every engine on every loop, and what is then not held in memory."""

import httpx
import pytest

from batchgen.provider.http.interface import body_of, partial_of

pytestmark = pytest.mark.anyio

SMALL, LARGE = 2_000, 3_000_000


class Sink:
    """Keeps all it is given; a disk that is full from ``full_at`` on."""

    def __init__(self, full_at=10**9):
        self.heads, self.kept, self.full_at, self.seen = [], b"", full_at, None

    def begin(self, status, headers):
        self.heads.append((status, {name.lower(): value for name, value in headers}))

    def add(self, part):
        if len(self.kept) + len(part) > self.full_at:
            self.full_at = 0
            return False
        self.kept += part
        return True

    def view(self):
        self.seen = memoryview(self.kept)
        return self.seen


@pytest.mark.parametrize("size", [0, 1, SMALL, LARGE])
async def test_a_sink_has_the_head_and_every_byte_and_a_large_body_is_nowhere_else(opened, faults, post, size):
    sink, sent = Sink(), bytes(range(256)) * (size // 256 + 1)
    response = await opened().handle_async_request(post(faults.url("echo"), sent[:size] or b"", sink=sink))
    assert sink.heads == [(200, {name.lower(): value for name, value in response.headers.raw})]
    assert (sink.kept, bytes(body_of(response))) == (sent[:size], sent[:size])
    assert (body_of(response) is sink.seen) is (size == LARGE)
    assert len(response.content) == (0 if size == LARGE else size)


async def test_chunks_reach_a_sink_without_their_frames(opened, faults, post):
    sink = Sink()
    response = await opened().handle_async_request(post(faults.url("chunked"), sink=sink))
    assert sink.kept == body_of(response) == response.content


@pytest.mark.parametrize("path", ["reset_amid_body", "short_body", "cut_chunk", "silence_amid_body"])
async def test_what_arrived_of_a_broken_answer_is_in_the_sink(opened, faults, post, path):
    sink = Sink()
    with pytest.raises(httpx.HTTPError) as raised:
        await opened(read_timeout_s=0.3).handle_async_request(post(faults.url(path), sink=sink))
    assert sink.kept == bytes(partial_of(raised.value).body) != b""


async def test_an_endless_answer_is_in_the_sink_up_to_the_cap_and_not_in_memory(opened, faults, post):
    sink = Sink()
    with pytest.raises(httpx.HTTPError) as raised:
        await opened(max_body_bytes=2**20).handle_async_request(post(faults.url("endless_body"), sink=sink))
    assert partial_of(raised.value).body is sink.seen
    assert 2**20 - 300_000 < len(sink.kept) < 2**20 + 300_000


@pytest.mark.parametrize("full_at", [0, 10, 100_000, 2_000_000])
async def test_a_sink_that_takes_no_more_costs_no_byte_of_the_answer(opened, faults, post, full_at):
    sink, sent = Sink(full_at), bytes(range(256)) * (LARGE // 256)
    response = await opened().handle_async_request(post(faults.url("echo"), sent, sink=sink))
    assert body_of(response) == sent
    assert len(sink.kept) <= full_at


async def test_a_connection_lets_go_of_the_sink_of_the_answer_before(opened, faults, post):
    engine, first, second = opened(), Sink(), Sink()
    await engine.handle_async_request(post(faults.url("echo"), b"first", sink=first))
    await engine.handle_async_request(post(faults.url("echo"), b"second", sink=second))
    assert (first.kept, second.kept) == (b"first", b"second")
