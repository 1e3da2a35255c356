"""Answers that are on their way when the process is killed: what arrived is on disk, and is read without paying."""

import base64
import json
import os
import signal
import socketserver
import threading
import time
import tracemalloc
from contextlib import contextmanager
from functools import partial

import anyio
import pytest

from batchgen.commands.adopt import pictures_of_answer
from batchgen.commands.status import folder_status
from batchgen.commands.verify import Discrepancy, verify
from batchgen.errors import ExitCode
from batchgen.provider.arrival import from_rest
from batchgen.provider.credentials import Secret
from batchgen.provider.openai import OpenAI
from batchgen.request import State
from batchgen.running.schedule import breaker
from batchgen.store.folder.arriving_answers import left_behind
from batchgen.store.folder.kept_answers import kept_answers
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import snapshot
from tests.program import run_here
from tests.running.shop import PICTURES
from tests.store.disks import fill, small_disk

KEY = "sk-" + "k" * 30
BODY = json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(PICTURES[3]).decode()}]}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(BODY)
ANSWER = HEAD + BODY
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


def chunked(content, media_type="text/event-stream"):
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"%x\r\n%b\r\n" % (len(content), content)


class Holding(socketserver.StreamRequestHandler):
    """Answers a post with what the server's ``said`` makes of its prompt, and then keeps the connection open."""

    def handle(self):
        while line := self.rfile.readline():
            length = 0
            while (header := self.rfile.readline()).strip():
                name, _, value = header.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            asked = self.rfile.read(length)
            if not asked:
                for part in self.server.said("GET") if b"mug.png" in line else [NOT_FOUND]:
                    self.wfile.write(part)
                continue
            self.server.posts.append(asked)
            for part in self.server.said(json.loads(asked)["prompt"]):
                self.wfile.write(part)
            self.server.held.release()
            # Until the client's process is dead.
            self.rfile.read(1)
            return


@contextmanager
def holding(said):
    class Server(socketserver.ThreadingTCPServer):
        request_queue_size = 1024

        def handle_error(self, *_):
            """The client was killed amid the answer."""

    with Server(("127.0.0.1", 0), Holding) as server:
        server.daemon_threads, server.block_on_close = True, False
        server.posts, server.held, server.said = [], threading.Semaphore(0), said
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


class Bought(OpenAI):
    """The provider of a plan that was made for the simulator."""

    name = "simulator"


def sold_by(server, concurrency=1):
    return Bought(Secret(KEY), base_url=f"http://127.0.0.1:{server.server_address[1]}", concurrency=concurrency)


def buying(me, server, *, concurrency=1, backend="asyncio", prepared=lambda: None):
    """A process of its own in which the customer buys, until it ends or is killed."""
    child = os.fork()
    if child:
        return child
    try:
        prepared()
        me.shop = sold_by(server, concurrency)
        anyio.run(partial(me.run, strict=True, checked=False), backend=backend)
    except BaseException:  # noqa: BLE001 - nothing of the test may go on in here
        os._exit(1)
    os._exit(0)


def arrived_bytes(me):
    return sum(path.stat().st_size for path in left_behind(me.folder.answers))


def killed(child, reached):
    """Kills the process once ``reached()``."""
    try:
        deadline = time.monotonic() + 20
        while not reached():
            assert time.monotonic() < deadline, "it never got so far"
            assert os.waitpid(child, os.WNOHANG) == (0, 0), "the process has ended by itself"
            os.sched_yield()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def keys(me):
    with snapshot(me.folder.ledger) as db:
        return [key for (key,) in db.execute("SELECT key FROM requests")]


def next_run(me, server):
    """A strict run to its end: it may read what is there, and posts nothing."""
    before = len(server.posts)
    me.shop = sold_by(server)
    finished = anyio.run(partial(me.run, strict=True, checked=False))
    assert len(server.posts) == before
    return finished


def kept(me):
    """The kept answers by prompt."""
    with snapshot(me.folder.ledger) as db:
        prompts = dict(db.execute("SELECT key, json_extract(canonical, '$.parameters.prompt') FROM requests"))
    return {prompts[key]: from_rest(path.read_bytes()) for (key, _), path in kept_answers(me.folder).items()}


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_kill_after_any_byte_of_an_answer_leaves_all_that_arrived_to_the_next_run(customer, monkeypatch, backend):
    monkeypatch.setattr(breaker, "STRAIGHT_FAILURES", 10**9)
    count = len(ANSWER)
    me = customer().order(
        [f"cut {number}" for number in range(count)], limits={"concurrency": count, "adaptive": False}
    )
    with holding(lambda prompt: [ANSWER[: int(prompt[4:])]]) as server:
        heads = sum(number > len(HEAD) for number in range(count))
        child = buying(me, server, concurrency=count, backend=backend)
        whole = sum(range(1, heads + 1))
        killed(
            child,
            lambda: (
                len(server.posts) == count
                and sum(len(from_rest(path.read_bytes()).body) for path in left_behind(me.folder.answers)) == whole
            ),
        )
        assert me.states() == dict.fromkeys(me.states(), State.SENT)
        finished = next_run(me, server)
    assert finished.exit_code == ExitCode.DOUBT
    assert set(me.states().values()) == {State.DOUBT}
    found = kept(me)
    assert {int(prompt[4:]) for prompt in found} == set(range(len(HEAD) + 1, count))
    for prompt, arrival in found.items():
        assert arrival.body == ANSWER[len(HEAD) : int(prompt[4:])]
        assert "ended while the answer arrived" in arrival.cut
    assert not list(left_behind(me.folder.answers))


def test_a_whole_picture_in_an_answer_that_a_kill_cut_is_stored_without_a_second_purchase(customer):
    me = customer().order(["mug"])
    event = json.dumps({"type": "image_generation.completed", "b64_json": base64.b64encode(PICTURES[7]).decode()})
    text = f"event: image_generation.completed\ndata: {event}\n\n: still open".encode()
    with holding(lambda _: [chunked(text)]) as server:
        killed(buying(me, server), lambda: arrived_bytes(me) > len(text))
        (left,) = left_behind(me.folder.answers)
        (finding,) = verify(me.folder, read_data=True)
        assert (finding.difference, finding.key) == (Discrepancy.UNFINISHED, *keys(me))
        assert folder_status(me.folder.root).arrived == 1
        told = run_here(me.root, "status", me.folder.root).stdout
        assert "1 answer arrived, or began to, when the last run was killed; the next run reads it, free" in told
        assert pictures_of_answer(me.folder.root, left.name).content == PICTURES[7]
        assert next_run(me, server).exit_code == ExitCode.OK
    (stored,) = me.folder.pictures.glob("*/*.png")
    assert (me.states(), stored.read_bytes()) == ({"mug": State.STORED}, PICTURES[7])
    assert not list(me.folder.answers.iterdir())


def test_an_answer_that_was_whole_before_the_ledger_had_it_is_as_good_as_recorded(customer):
    me = customer().order(["mug", "cup"], limits={"concurrency": 2})
    refusal = b'{"error": {"message": "no such size", "type": "invalid_request_error"}}'
    said = {
        "mug": [ANSWER],
        "cup": [b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(refusal) + refusal],
    }

    def prepared():
        from batchgen.store.ledger.ledger import Ledger

        async def never(*_, **__):
            await anyio.sleep_forever()

        Ledger.answer = Ledger.fail = never

    with holding(said.__getitem__) as server:
        whole = sum(len(one[0].partition(b"\r\n\r\n")[2]) for one in said.values())
        killed(
            buying(me, server, concurrency=2, prepared=prepared),
            lambda: sum(len(from_rest(one.read_bytes()).body) for one in left_behind(me.folder.answers)) == whole,
        )
        server.said = {"cup": [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY]}.__getitem__
        me.shop = sold_by(server)
        finished = anyio.run(partial(me.run, strict=True, checked=False))
    assert finished.exit_code == ExitCode.OK
    # The refusal was whole and surely cost nothing: under --strict, a doubt would not have been asked again.
    assert sorted(json.loads(one)["prompt"] for one in server.posts) == ["cup", "cup", "mug"]
    assert sum(maybe for *_, maybe in me.attempts()) == 0


def test_a_large_answer_that_was_arriving_is_kept_as_far_as_it_came_and_without_the_key(customer):
    me = customer().order(["mug"])
    begun = b'{"data": [{"b64_json": "' + b"A" * 300_000 + KEY[:20].encode()
    rest = KEY[20:].encode() + b"B" * 300_000
    with holding(lambda _: [HEAD.replace(b"%d" % len(BODY), b"90000000"), begun, rest]) as server:
        killed(buying(me, server), lambda: arrived_bytes(me) > len(begun + rest))
        assert next_run(me, server).exit_code == ExitCode.DOUBT
    (arrival,) = kept(me).values()
    text = arrival.body
    assert len(text) == len(begun) + len(rest)
    assert KEY.encode() not in text
    assert text.replace(b"*" * len(KEY), KEY.encode()) == begun + rest
    assert sum(maybe for *_, maybe in me.attempts()) > 0


def test_what_arrived_before_a_deadline_is_kept(customer):
    me = customer().order(["mug"], retry={"deadline": "1s"})
    with holding(lambda _: [ANSWER[:-5]]) as server:
        me.shop = sold_by(server)
        finished = anyio.run(partial(me.run, strict=True, checked=False))
    assert finished.exit_code == ExitCode.DOUBT
    (arrival,) = kept(me).values()
    assert (arrival.body, "no answer within 1 s" in arrival.cut) == (BODY[:-5], True)


def huge_picture(size_bytes):
    """A picture of one colour with a remark of ``size_bytes``."""
    remark = (bytes(range(251)) * (size_bytes // 251 + 1))[:size_bytes]
    return PICTURES[0][:-12] + size_bytes.to_bytes(4, "big") + b"noTe" + remark + b"\0\0\0\0" + PICTURES[0][-12:]


def answered(text):
    return [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(text), text]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("form", ["base64", "the body itself", "hosted"])
def test_an_answer_of_200_mb_takes_a_tenth_of_that_in_memory(customer, tmp_path, form, backend):
    picture = huge_picture(150_000_000)
    me = customer().order(["mug"])
    base64_form = b'{"data":[{"b64_json":"' + base64.b64encode(picture) + b'"}],"cost":0.04}'
    peak = tmp_path / "peak"

    class Measured(Bought):
        async def generate(self, request, *, idempotency_key):
            tracemalloc.start()
            return await super().generate(request, idempotency_key=idempotency_key)

    def said(prompt):
        if prompt == "GET":
            return answered(picture)
        if form == "hosted":
            address = f"http://127.0.0.1:{server.server_address[1]}/mug.png"
            return answered(json.dumps({"data": [{"url": address}]}).encode())
        return answered(base64_form if form == "base64" else picture)

    async def bought():
        await me.run(strict=True, checked=False)
        peak.write_text(str(tracemalloc.get_traced_memory()[1]))

    with holding(said) as server:
        child = os.fork()
        if not child:
            try:
                me.shop = Measured(Secret(KEY), base_url=sold_by(server).base_url, concurrency=1)
                anyio.run(bought, backend=backend)
            finally:
                os._exit(0)
        os.waitpid(child, 0)
    assert me.states() == {"mug": State.STORED}
    (stored,) = me.folder.pictures.glob("*/*.png")
    assert stored.read_bytes() == picture
    assert int(peak.read_text()) < 20_000_000
    assert not list(me.folder.answers.iterdir())


def base64_answer(picture):
    return answered(b'{"data":[{"b64_json":"' + base64.b64encode(picture) + b'"}],"cost":0.04}')


def test_a_disk_that_fills_up_amid_an_answer_takes_it_in_place_of_the_ballast_and_ends_the_run(customer, tmp_path):
    picture = huge_picture(3_450_000)
    me = customer().order(["mug", "cup", "pot"], limits={"concurrency": 1})
    with small_disk(tmp_path / "disk", "32m") as disk, holding(lambda _: base64_answer(picture)) as server:
        me.folder = RunFolder(disk / "out")
        filler = fill(disk, leave=7_000_000)
        me.shop = sold_by(server)
        finished = anyio.run(partial(me.run, strict=True, checked=False, min_free_bytes=0))
        assert (finished.exit_code, "is full" in finished.reason) == (ExitCode.STOPPED, True)
        assert (len(server.posts), finished.result.unrecorded) == (1, ())
        assert [state for state in me.states().values() if state is not State.WAITING] == [State.ANSWERED]
        filler.unlink()
        server.said = lambda _: base64_answer(PICTURES[5])
        me.shop = sold_by(server)
        assert anyio.run(partial(me.run, strict=True, checked=False, min_free_bytes=0)).exit_code == ExitCode.OK
        assert len(server.posts) == 3
        assert picture in {path.read_bytes() for path in me.folder.pictures.glob("*/*.png")}
        assert not list(me.folder.answers.iterdir())


def test_a_disk_too_small_for_an_answer_keeps_what_it_takes_and_the_picture_is_named(customer, tmp_path):
    picture = huge_picture(9_000_000)
    me = customer().order(["mug", "cup"], limits={"concurrency": 1})
    (spill := tmp_path / "spill").mkdir()
    with small_disk(tmp_path / "disk", "32m") as disk, holding(lambda _: base64_answer(picture)) as server:
        me.folder = RunFolder(disk / "out")
        filler = fill(disk, leave=7_000_000)
        me.shop = sold_by(server)
        finished = anyio.run(partial(me.run, strict=True, checked=False, min_free_bytes=0, spill=spill))
        assert (finished.exit_code, "is full" in finished.reason) == (ExitCode.STOPPED, True)
        assert [path.read_bytes() == picture for path in spill.iterdir()] == [True]
        (told,) = finished.result.unrecorded
        assert "batchgen adopt" in told
        assert 5_000_000 < arrived_bytes(me) < 7_000_000
        filler.unlink()
        server.said = lambda _: base64_answer(PICTURES[5])
        me.shop = sold_by(server)
        assert anyio.run(partial(me.run, strict=True, checked=False, min_free_bytes=0)).exit_code == ExitCode.DOUBT
        assert len(server.posts) == 2
        (arrival,) = kept(me).values()
        assert base64_answer(picture)[1].startswith(arrival.body)
        assert sum(maybe for *_, maybe in me.attempts()) > 0
