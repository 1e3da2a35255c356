"""Real simulators in processes of their own, and a client that speaks to one over its socket."""

import contextlib
import io

import httpx
import pytest
from PIL import Image

from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings

GENERATIONS = "/v1/openai/images/generations"


class Shop:
    """A customer of one simulator."""

    def __init__(self, endpoints):
        self.endpoints = endpoints
        self.http = httpx.Client(
            base_url=endpoints.api_url, headers={"Authorization": "Bearer simulator"}, timeout=20, trust_env=False
        )

    def buy(self, prompt="a fox", *, key=None, path=GENERATIONS, **fields):
        headers = {"Idempotency-Key": key} if key else {}
        return self.http.post(path, json={"model": "test/test", "prompt": prompt, **fields}, headers=headers)

    def fetch(self, answer):
        return httpx.get(answer.json()["data"][0]["url"], trust_env=False)

    def picture(self, answer):
        response = self.fetch(answer)
        assert response.status_code == 200
        return Image.open(io.BytesIO(response.content))

    def billing(self):
        return self.http.get("/_simulator/billing").json()

    def times_billed(self, key):
        return self.billing()["idempotency_keys"].get(key, {"billed": 0})["billed"]

    def switch_on(self, *faults):
        response = self.http.post("/_simulator/faults", json={"faults": faults})
        assert response.status_code == 200, response.text


@contextlib.contextmanager
def opened(state=None, **options):
    options = {"latency_s": 0.0, "rate_limits": False, **options}
    with embedded(Settings(**options), state) as endpoints:
        shop = Shop(endpoints)
        with shop.http:
            yield shop


@pytest.fixture
def start():
    """Starts simulators of one's own: ``start(state=None, **settings)`` is a context manager that gives a ``Shop``."""
    return opened


@pytest.fixture(scope="session")
def shared_shop():
    with opened() as shop:
        yield shop


@pytest.fixture
def shop(shared_shop):
    """One simulator for the tests that leave no trace; without limits and latency, and no fault switched on."""
    shared_shop.switch_on()
    return shared_shop


@pytest.fixture
def photo():
    """A small red PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (255, 0, 0)).save(buffer, "PNG")
    return buffer.getvalue()
