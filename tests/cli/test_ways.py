"""Runs that reach their service through a proxy, over a socket, with certificates and headers of their own."""

import base64
import io
import json
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from PIL import Image

from batchgen.testing.loopback import Reply, loopback
from tests.provider.http.proxy import Proxy

KEY = "canary-" + "k" * 40
JOB = """\
provider: {{kind: openai, api_key_env: MINE, {}}}
prompt: "a {{subject}}"
matrix: {{subject: [mug, teapot]}}
defaults: {{model: m}}
prices: {{m: 0}}
"""


def answer():
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (0, 90, 0)).save(buffer, "PNG")
    return json.dumps({"created": 1, "data": [{"b64_json": base64.b64encode(buffer.getvalue()).decode()}]}).encode()


@pytest.fixture
def service():
    with loopback() as service:
        service.reply = lambda arrived: Reply(body=answer()) if arrived.method == "POST" else Reply(404)
        yield service


@pytest.fixture
def job(tmp_path):
    def job(provider):
        (tmp_path / "job.yaml").write_text(JOB.format(provider))
        return "job.yaml"

    return job


def canaries(folder):
    """Every file below the folder that holds the key."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".env"]
    return [path for path in files if b"canary" in path.read_bytes()]


def test_a_run_goes_through_the_proxy_of_the_environment_and_says_so_once(batchgen, job, service, tmp_path):
    port = service.url.rpartition(":")[2]
    with Proxy() as proxy:
        address = f"http://ann:pass-canary@127.0.0.1:{proxy.port}"
        done = batchgen("run", job(f"base_url: 'http://localhost:{port}/v1'"), HTTP_PROXY=address, MINE=KEY)
    assert done.returncode == 0, done.stderr
    assert len(service.posts) == 2
    assert f"http://localhost:{port}/v1/images/generations" in proxy.forwarded
    assert done.stderr.count("go through the proxy") == 1
    assert "canary" not in done.stderr
    assert canaries(tmp_path) == []


def test_no_proxy_and_proxy_none_go_without(batchgen, job, service):
    gone = "http://127.0.0.1:9"
    for provider, environment in (("", {"NO_PROXY": "127.0.0.1"}), (", proxy: none", {})):
        name = job(f"base_url: '{service.url}/v1'{provider}")
        done = batchgen("run", name, "--out", f"out{provider[2:7]}", ALL_PROXY=gone, MINE=KEY, **environment)
        assert done.returncode == 0, done.stderr
        assert "requests and pictures go through" not in done.stderr


def test_a_proxy_that_lets_nothing_through_leaves_every_request_open_and_unbilled(batchgen, job, tmp_path):
    with Proxy(status=407) as proxy:
        name = job(f"base_url: 'https://inside.invalid/v1', proxy: 'http://127.0.0.1:{proxy.port}'")
        with (tmp_path / name).open("a") as manifest:
            manifest.write("retry: {attempts: 1}\n")
        done = batchgen("run", name, MINE=KEY)
    assert done.returncode in {1, 3}, done.stderr
    assert "answered 407 to CONNECT; nothing was sent" in done.stderr
    assert "in doubt" not in done.stderr


def test_headers_and_query_reach_the_service_and_their_secrets_nothing_else(batchgen, job, service, tmp_path):
    (tmp_path / ".env").write_text(f"MINE={KEY}\nOTHER=header-canary-1234\n")
    service.reply = lambda arrived: Reply(400, json.dumps({"error": {"message": "bad header-canary-1234"}}).encode())
    name = job(f"base_url: '{service.url}/v1', headers: {{api-key: {{env: OTHER}}, x-team: art}}, query: {{v: 2}}")
    done = batchgen("run", name)
    assert done.returncode == 1, done.stderr
    assert {one.path for one in service.posts} == {"/v1/images/generations?v=2"}
    for one in service.posts:
        assert (one.headers["api-key"], one.headers["x-team"]) == ("header-canary-1234", "art")
    assert "canary" not in done.stderr + done.stdout
    assert canaries(tmp_path) == []


def test_a_header_whose_variable_is_not_set_is_told_before_there_is_a_folder(batchgen, job, tmp_path):
    done = batchgen("run", job("base_url: 'http://127.0.0.1:9/v1', headers: {api-key: {env: NOWHERE_SET}}"), MINE=KEY)
    assert done.returncode == 2
    assert "no value for the header api-key: set NOWHERE_SET in the environment" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_key_is_not_sent_in_clear_to_a_public_address(batchgen, job, tmp_path):
    done = batchgen("run", job("base_url: 'http://1.1.1.1/v1'"), MINE=KEY)
    assert done.returncode == 2
    assert "the key would travel unencrypted to 1.1.1.1 (1.1.1.1), a public address; use https" in done.stderr
    assert not (tmp_path / "outputs").exists()


def test_a_service_on_a_socket_is_reached(batchgen, job, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket must be short
    taken = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            taken.append((self.command, self.path, self.headers["Host"]))
            body = answer() if self.command == "POST" else b"{}"
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = handle_any  # noqa: N815 - the names that it looks for

        def address_string(self):
            return "socket"

        def log_message(self, *_):
            pass

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server("x.sock", Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        done = batchgen("run", job("socket: x.sock"), MINE=KEY)
        server.shutdown()
    Path("x.sock").unlink()
    assert done.returncode == 0, done.stderr
    assert taken.count(("POST", "/v1/images/generations", "localhost")) == 2


def test_a_price_that_nobody_states_is_told_with_how_to_say_that_it_is_nothing(batchgen, job, service, tmp_path):
    name = job(f"base_url: '{service.url}/v1'")
    text = (tmp_path / name).read_text()
    assert "nobody states a price" not in batchgen("run", name, "--out", "a", MINE=KEY).stderr
    (tmp_path / name).write_text(text.replace("prices: {m: 0}\n", ""))
    done = batchgen("run", name, "--out", "b", MINE=KEY)
    assert "a request in doubt is held there, never repeated unasked; give it as `prices: {m: 0.04}`" in done.stderr
    assert "`prices: {m: 0}` if the service costs nothing" in done.stderr
    assert "`prices: {m: 0}`" in batchgen("run", name, "--out", "c", "--budget", 1, MINE=KEY).stderr
