import pytest

from batchgen.errors import UsageError
from batchgen.provider.interface import Answered, Verdict
from batchgen.provider.simulator import Simulator, offered

from .conftest import bought

pytestmark = pytest.mark.anyio


async def test_it_is_started_for_the_run_and_gone_after_it(order, tmp_path):
    async with Simulator({"latency_s": 0}, state=tmp_path / "state", base_url=None, concurrency=2) as provider:
        answer = await bought(provider, order())
        assert (await provider.download(answer.generation.pictures[0].url)).content
        assert (await provider.catalogue()).find("test/test")
        assert await provider.balance_microusd() == 100_000_000
    assert (tmp_path / "state").exists()
    async with Simulator({}, state=None, base_url=provider.base_url, concurrency=1) as gone:
        failed = await bought(gone, order())
    assert (failed.verdict, failed.reason) == (Verdict.PASSING, "connect")


async def test_one_that_runs_already_is_used(order, recorder):
    recorder.answer("/v1/openai/images/generations", 200, b'{"data":[{"url":"https://x/a"}]}')
    async with Simulator({}, state=None, base_url=recorder.url, concurrency=1) as provider:
        assert provider.base_url == recorder.url
        assert isinstance(await bought(provider, order()), Answered)
    assert recorder.seen[0][2]["authorization"] == "Bearer simulator"


@pytest.mark.parametrize("settings", [{}, {"catalogue_shape": "array"}])
async def test_what_it_has_on_offer_is_known_before_it_starts(settings):
    async with Simulator(settings, state=None, base_url=None, concurrency=1) as provider:
        assert await provider.catalogue() == offered(settings)


@pytest.mark.parametrize("settings", [{"latencies": 1}, {"latency_s": "long"}, {"faults": [{"kind": "odd"}]}])
async def test_settings_it_does_not_know_are_told_before_it_starts(settings):
    with pytest.raises(UsageError, match=r"provider\.simulator: "):
        offered(settings)
    with pytest.raises(UsageError, match=r"provider\.simulator: "):
        async with Simulator(settings, state=None, base_url=None, concurrency=1):
            pass
