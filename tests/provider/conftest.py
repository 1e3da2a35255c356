"""Requests as a plan would make them, a real simulator, and a server that writes down what it is asked."""

import contextlib
import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest
from PIL import Image

from batchgen.provider.credentials import Secret
from batchgen.request import Kind, Request, canonical_json, key_of
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings

KEY = Secret("k" * 28 + "canary/+=" + "k" * 27)


@pytest.fixture
def order():
    """A request for a picture: ``order(prompt=…, size=…, model=…, image=(…), mask=…)``."""

    def order(*, model="test/test", image=(), mask=None, **parameters):
        parameters = {"prompt": "a fox", **parameters}
        identity = {"provider": "imagerouter", "kind": Kind.IMAGE, "model": model, "parameters": parameters}
        canonical = canonical_json(**identity, image=image, mask=mask)
        return Request(key=key_of(canonical), canonical=canonical, image=image, mask=mask, **identity)

    return order


@pytest.fixture
def photo():
    """A small red PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()


class Shop:
    """A running simulator, and what can be asked of it from outside."""

    def __init__(self, endpoints):
        self.api_url, self.pictures_url = endpoints.api_url, endpoints.pictures_url
        self.http = httpx.Client(base_url=self.api_url, trust_env=False)

    def switch_on(self, *faults):
        answer = self.http.post("/_simulator/faults", json={"faults": faults})
        assert answer.status_code == 200, answer.text


@pytest.fixture(scope="session")
def shared_shop():
    settings = Settings(latency_s=0.0, rate_limits=False, required_key=KEY.reveal())
    with embedded(settings) as endpoints:
        shop = Shop(endpoints)
        with shop.http:
            yield shop


@pytest.fixture
def shop(shared_shop):
    """The simulator with no fault switched on; it takes only ``KEY``."""
    shared_shop.switch_on()
    return shared_shop


class Recorder:
    """A server on loopback that answers each path as told and keeps every request, headers by lower-case names."""

    def __init__(self, port):
        self.url = f"http://127.0.0.1:{port}"
        self.answers = {}
        self.seen = []

    def answer(self, path, status=200, body=b"", **headers):
        self.answers[path] = (status, body, {name.replace("_", "-"): value for name, value in headers.items()})


@contextlib.contextmanager
def recording():
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            recorder.seen.append(
                (self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, body)
            )
            status, content, headers = recorder.answers.get(self.path, (404, b"", {}))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self):
            self.do_GET()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    recorder = Recorder(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def recorder():
    with recording() as recorder:
        yield recorder


@pytest.fixture
def second_recorder():
    with recording() as recorder:
        yield recorder
