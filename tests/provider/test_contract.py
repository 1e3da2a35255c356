"""Our own providers keep the contract that plugins are held to, with the simulator behind them."""

import httpx
import pytest

from batchgen.provider.credentials import Secret
from batchgen.provider.imagerouter import ImageRouter
from batchgen.provider.openai import OpenAI
from batchgen.provider.simulator import Simulator
from batchgen.request import Kind
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from batchgen.testing.loopback import Reply
from batchgen.testing.provider_contract import ProviderContract


@pytest.fixture(scope="module")
def service():
    with embedded(Settings(latency_s=0.0, rate_limits=False)) as endpoints:
        yield endpoints.api_url


class BehindTheSimulator(ProviderContract):
    """What goes well is answered by a real simulator; whatever else a service can do, by the contract."""

    model = "test/test"

    @pytest.fixture(autouse=True)
    def _with_a_service(self, service, anyio_backend):
        self.simulator = service
        self.backend = anyio_backend

    def answer(self, arrived, picture_url):
        headers = {name: arrived.headers[name] for name in ("authorization", "content-type")}
        answer = httpx.post(self.simulator + arrived.path, content=arrived.body, headers=headers, trust_env=False)
        return Reply(answer.status_code, answer.content)


class TestImageRouter(BehindTheSimulator):
    def open_provider(self, base_url, key):
        return ImageRouter(Secret(key), base_url=base_url, concurrency=4)


class TestImageRouterWithVideos(TestImageRouter):
    kind = Kind.VIDEO
    model = "ir/test-video"


class TestOpenAI(BehindTheSimulator):
    def open_provider(self, base_url, key):
        return OpenAI(Secret(key), base_url=f"{base_url}/v1", concurrency=4)


class TestSimulator(BehindTheSimulator):
    # It has one of its own, which everybody may know.
    test_the_key_shows_nowhere = None

    def open_provider(self, base_url, key):
        return Simulator({}, state=None, base_url=base_url, concurrency=4)


class TestABrokenProvider:
    """The contract finds what it is there to find."""

    @pytest.mark.parametrize(
        ("test", "breaks"),
        [
            ("test_a_good_answer_takes_one_post_and_reads_the_same_again", "posts twice"),
            ("test_an_answer_that_does_not_come_whole_leaves_a_doubt", "posts twice"),
            ("test_the_key_shows_nowhere", "shows its key"),
            ("test_a_redirect_of_a_post_is_never_followed", "follows"),
            ("test_a_download_carries_no_credentials", "sends its key along"),
            ("test_what_was_never_sent_is_surely_not_billed", "doubts everything"),
        ],
    )
    def test_a_promise_that_is_broken_fails_its_test(self, test, breaks):
        contract = _Careless()
        contract.breaks = breaks
        with pytest.raises(AssertionError, match=r"\w"):
            getattr(contract, test)()
        contract.breaks = ""
        getattr(contract, test)()


class _Careless(ProviderContract):
    breaks = ""

    def open_provider(self, base_url, key):
        return _Sloppy(base_url, key, self.breaks)

    def answer(self, arrived, picture_url):
        return Reply(body=b'{"data": [{"url": "%s"}], "cost": 0.01}' % picture_url.encode())


class _Sloppy(ImageRouter):
    def __init__(self, base_url, key, breaks):
        super().__init__(Secret(key), base_url=base_url, concurrency=2)
        self.breaks, self.key = breaks, key

    def __repr__(self):
        return f"Sloppy({self.key})" if self.breaks == "shows its key" else "Sloppy()"

    async def generate(self, request, *, idempotency_key):
        if self.breaks == "posts twice":
            await super().generate(request, idempotency_key=idempotency_key)
        if self.breaks == "follows":
            async with httpx.AsyncClient(follow_redirects=True, trust_env=False) as client:
                await client.post(self.base_url, content=b"{}")
        answer = await super().generate(request, idempotency_key=idempotency_key)
        if self.breaks == "doubts everything":
            from batchgen.provider.interface import Failed, Verdict

            return Failed(Verdict.DOUBT, "who_knows", "who knows")
        return answer

    async def download(self, url):
        if self.breaks == "sends its key along":
            url = f"{url}&key={self.key}"
        return await super().download(url)
