"""What it costs to have an answer on disk while it arrives: CPU time per POST with a place on disk and without.

    python benchmarks/arriving.py [--quick]

Posts go through batchgen's own client to a server in another process; both kinds alternate in one process, and the
figures are medians of CPU microseconds of the client's process per POST, so read the ratios.
"""

import argparse
import asyncio
import multiprocessing
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from batchgen.provider.answer_sink import ANSWER_PLACE
from batchgen.provider.credentials import Secret
from batchgen.provider.http_client import Body, HttpClient
from batchgen.store.folder.arriving_answers import ArrivingAnswers
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder

TINY = b'{"created":1764000000,"data":[{"url":"https://storage.example/a.webp"}],"cost":0.004}'
SIZES = {"a link (86 bytes)": TINY, "a row (48 KiB)": b"x" * (48 << 10), "a picture (2 MiB)": b"x" * (2 << 20)}
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Request-Id: 5f1c\r\nContent-Length: %d\r\n\r\n"


class Server(asyncio.Protocol):
    """Answers each packet."""

    def __init__(self, answer):
        self.answer = answer

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, _data):
        self.transport.write(self.answer)


def serve(ports):
    async def main():
        loop, servers = asyncio.get_running_loop(), []
        for body in SIZES.values():
            make = lambda body=body: Server(HEAD % len(body) + body)  # noqa: E731
            servers.append(await loop.create_server(make, "127.0.0.1", 0))
        ports.send([server.sockets[0].getsockname()[1] for server in servers])
        await asyncio.Event().wait()

    uvloop.run(main())


async def cpu_us(client, files, posts):
    """The CPU time of one POST of many, and of emptying its place as the buyer does."""
    started = time.process_time()
    for number in range(1, posts + 1):
        place = files.expect("0" * 32, number) if files else None
        token = ANSWER_PLACE.set(place)
        arrival = await client.post("/v1/images/generations", Body(b"{}", "application/json"), idempotency_key="k")
        ANSWER_PLACE.reset(token)
        assert not arrival.cut
        if place is not None:
            place.release()
    return (time.process_time() - started) / posts * 1e6


async def measured(ports, rounds, posts):
    with tempfile.TemporaryDirectory(dir=Path(__file__).parents[1] / "outputs") as place:
        folder = RunFolder(Path(place))
        folder.answers.mkdir(parents=True)
        files = ArrivingAnswers(folder, DiskSpace(folder, concurrency=1))
        for port, (name, body) in zip(ports, SIZES.items(), strict=True):
            count = posts if len(body) < 1 << 20 else posts // 20
            async with HttpClient(f"http://127.0.0.1:{port}", Secret("sk-" + "k" * 40), concurrency=1) as client:
                plain, kept = [], []
                for _ in range(rounds):
                    plain.append(await cpu_us(client, None, count))
                    kept.append(await cpu_us(client, files, count))
            without, within = statistics.median(plain), statistics.median(kept)
            print(f"{name:<20} {without:8.0f} us in memory {within:8.0f} us on disk   x {within / without:.2f}")
        files.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    receiving, sending = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.Process(target=serve, args=(sending,), daemon=True)
    server.start()
    uvloop.run(measured(receiving.recv(), rounds=3 if quick else 15, posts=200 if quick else 1000))
    server.terminate()


if __name__ == "__main__":
    main()
