"""Every engine on every loop it runs on, and the certificates of a test authority."""

import ssl
from dataclasses import replace

import httpx
import pytest
import trustme

from batchgen.provider.http.aiohttp import AiohttpEngine
from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.httpcore import HttpcoreEngine

from .server import Faults

KINDS = {
    "aiohttp on asyncio": (AiohttpEngine, ("asyncio", {"use_uvloop": False})),
    "aiohttp on uvloop": (AiohttpEngine, ("asyncio", {"use_uvloop": True})),
    "httpcore on asyncio": (HttpcoreEngine, ("asyncio", {"use_uvloop": False})),
    "httpcore on trio": (HttpcoreEngine, ("trio", {})),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return KINDS[request.param]


@pytest.fixture
def anyio_backend(kind):
    return kind[1]


@pytest.fixture
async def opened(kind):
    """Opens engines with the options a test names, and closes them after it."""
    engines = []

    def open_one(**options):
        engines.append(kind[0](replace(EngineOptions(read_timeout_s=5), **options)))
        return engines[-1]

    yield open_one
    for engine in engines:
        await engine.aclose()


@pytest.fixture
def faults():
    with Faults() as server:
        yield server


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def secure_faults(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Faults(ssl_context=context) as server:
        yield server


@pytest.fixture(scope="session")
def authority_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("authority") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def post():
    def build(url, body=b'{"prompt": "a mug"}', **extensions):
        headers = {"Authorization": "Bearer canary-5f1c", "X-Api-Key": "canary-5f1c"}
        return httpx.Request("POST", url, headers=headers, content=body, extensions=extensions)

    return build
