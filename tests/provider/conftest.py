"""Requests as a plan would make them, a real simulator, and a server that writes down what it is asked."""

import io

import httpx
import pytest
from PIL import Image

from batchgen.provider.credentials import Secret
from batchgen.provider.interface import Failed
from batchgen.request import Kind, Request, canonical_json, key_of
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from batchgen.testing.loopback import Reply, loopback

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


async def bought(provider, request):
    """What a provider makes of the answer to a request, or why none came."""
    came = await provider.generate(request, idempotency_key="i")
    return came if isinstance(came, Failed) else provider.read(came)


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
    """A service that answers each path as told and keeps every request, headers by lower-case names."""

    def __init__(self, service):
        self.url = service.url
        self._service = service
        self._replies = {}
        service.reply = lambda arrived: self._replies.get(arrived.path, Reply(404))

    def answer(self, path, status=200, body=b"", **headers):
        self._replies[path] = Reply(status, body, {name.replace("_", "-"): value for name, value in headers.items()})

    @property
    def seen(self):
        return [(one.method, one.path, one.headers, one.body) for one in self._service.seen]


@pytest.fixture
def recorder():
    with loopback() as service:
        yield Recorder(service)


@pytest.fixture
def second_recorder():
    with loopback() as service:
        yield Recorder(service)
