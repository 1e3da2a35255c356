import anyio
import pytest

from batchgen.provider.http.racing import first_connected, interleaved

from .server import Faults

pytestmark = pytest.mark.anyio


class Line:
    """What one address does: it connects after ``wait``, or fails with ``error`` after it, and may never answer."""

    def __init__(self, wait=None, error=None):
        self.wait, self.error = wait or anyio.Event(), error


class Lines:
    def __init__(self, **lines):
        self.lines, self.started, self.closed, self.now = lines, [], [], anyio.current_time

    async def connect(self, address):
        self.started.append(address)
        line = self.lines[address]
        await line.wait.wait()
        if line.error:
            raise line.error
        return f"to {address}"

    async def close(self, connection):
        self.closed.append(connection)


def at_once(error=None):
    line = Line(error=error)
    line.wait.set()
    return line


async def test_a_dead_first_address_holds_nobody_up():
    lines = Lines(a=Line(), b=at_once())
    with anyio.fail_after(5):
        assert await first_connected(["a", "b"], lines.connect, lines.close) == ("b", "to b")
    assert lines.started == ["a", "b"]
    assert lines.closed == []


async def test_an_address_that_refuses_gives_the_next_its_turn_at_once():
    lines = Lines(a=at_once(OSError("no")), b=at_once(OSError("no")), c=at_once())
    assert await first_connected(["a", "b", "c"], lines.connect, lines.close) == ("c", "to c")


async def test_an_address_that_answers_is_the_only_one_asked():
    lines = Lines(a=at_once(), b=at_once())
    assert await first_connected(["a", "b"], lines.connect, lines.close) == ("a", "to a")
    assert lines.started == ["a"]


async def test_if_all_fail_the_last_failure_is_raised():
    lines = Lines(a=at_once(OSError("first")), b=at_once(OSError("last")))
    with pytest.raises(OSError, match="last"):
        await first_connected(["a", "b"], lines.connect, lines.close)


async def test_whoever_is_cancelled_leaves_no_attempt_behind():
    lines = Lines(a=Line(), b=Line())
    with anyio.move_on_after(0.01) as scope:
        await first_connected(["a", "b"], lines.connect, lines.close)
    assert scope.cancelled_caught


def test_the_families_take_turns():
    assert interleaved(["::1", "::2", "::3", "1.1.1.1", "2.2.2.2"]) == ["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]
    assert interleaved(["1.1.1.1", "2.2.2.2", "::1"]) == ["1.1.1.1", "::1", "2.2.2.2"]
    assert interleaved(["1.1.1.1"]) == ["1.1.1.1"]


async def test_an_engine_reaches_a_server_whose_first_address_is_dead_and_posts_once(opened, faults, post):
    async def resolve(host, port):
        # TEST-NET-3 is routed nowhere: a connection to it is neither taken nor refused, or fails at once.
        return ["203.0.113.1", "127.0.0.1"]

    engine = opened(resolve=resolve)
    with anyio.fail_after(5):
        assert (await engine.handle_async_request(post(faults.url("echo", host="two.test"), b"{}"))).content == b"{}"
    assert faults.received["echo"] == 1


async def test_the_loser_of_a_race_is_closed_and_posts_nothing(opened, post):
    async def resolve(host, port):
        return ["127.0.0.2", "127.0.0.1"]

    with Faults(host="127.0.0.1") as faults:
        engine = opened(resolve=resolve)
        for _ in range(5):
            url = faults.url("until_close", host="two.test")
            assert (await engine.handle_async_request(post(url))).is_success
    assert faults.received["until_close"] == 5
