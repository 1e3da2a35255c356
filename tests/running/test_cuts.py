"""An answer that is cut after each of its bytes: never called unbilled nor paid for twice, and what arrived is kept."""

import base64
import json
import re
import socketserver
import threading
from contextlib import contextmanager

import pytest

from batchgen.errors import ExitCode
from batchgen.provider.arrival import from_rest
from batchgen.provider.credentials import Secret
from batchgen.provider.openai import OpenAI
from batchgen.request import State
from batchgen.running.schedule import breaker
from batchgen.store.folder.kept_answers import kept_answers
from batchgen.store.ledger.records import snapshot
from tests.running.shop import PICTURES

pytestmark = pytest.mark.anyio

BODY = json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(PICTURES[3]).decode()}], "more": "x" * 800})
HEAD = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
ANSWER = (HEAD + BODY).encode()


class Cutting(socketserver.StreamRequestHandler):
    """Answers a post whose prompt is `cut N` with the first N bytes of a good answer, and closes the connection."""

    def handle(self):
        while line := self.rfile.readline():
            length = 0
            while (line := self.rfile.readline()).strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            asked = self.rfile.read(length)
            if not asked:
                self.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                continue
            self.server.posts.append(asked)
            self.wfile.write(ANSWER[: int(re.search(rb"cut (\d+)", asked)[1])])
            return


@contextmanager
def cutting():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Cutting) as server:
        server.daemon_threads, server.posts = True, []
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Bought(OpenAI):
    """The provider of a plan that was made for the simulator."""

    name = "simulator"


async def test_a_cut_after_any_byte_leaves_a_doubt_and_all_that_arrived(customer, monkeypatch):
    monkeypatch.setattr(breaker, "STRAIGHT_FAILURES", 10**9)
    monkeypatch.setattr(breaker, "WINDOW_ATTEMPTS", 10**9)
    assert len(ANSWER) >= 1_010
    with cutting() as server:
        me = customer().order([f"cut {number}" for number in range(len(ANSWER) + 1)], limits={"concurrency": 32})
        me.shop = Bought(Secret("k" * 30), base_url=f"http://127.0.0.1:{server.server_address[1]}", concurrency=32)
        finished = await me.run(strict=True, checked=False)
        assert finished.exit_code == ExitCode.DOUBT
        assert len(server.posts) == len(ANSWER) + 1
        states = me.states()
        assert [prompt for prompt, state in states.items() if state is State.STORED] == [f"cut {len(ANSWER)}"]
        assert set(states.values()) == {State.STORED, State.DOUBT}
        me.shop = Bought(Secret("k" * 30), base_url=me.shop.base_url, concurrency=32)
        await me.run(strict=True, checked=False)
        assert len(server.posts) == len(ANSWER) + 1
    with snapshot(me.folder.ledger) as db:
        prompts = dict(db.execute("SELECT key, json_extract(canonical, '$.parameters.prompt') FROM requests"))
    kept = {prompts[key]: from_rest(path.read_bytes()) for (key, _), path in kept_answers(me.folder).items()}
    for number in range(len(ANSWER)):
        arrived = ANSWER[len(HEAD) : number] if number > len(HEAD) else b""
        found = kept.get(f"cut {number}")
        assert (found.body if found else b"") == arrived, number
        assert found is None or found.cut
