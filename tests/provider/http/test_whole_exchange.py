"""An exchange of bytes is the one that httpx's objects would have made, and no more than so many are under way."""

from dataclasses import replace

import anyio
import httpx
import pytest

from batchgen.provider.http.engine_options import EngineOptions
from batchgen.provider.http.incoming import inflated
from batchgen.provider.http.network_routes import Proxy, Routes
from batchgen.provider.http.outgoing import Prepared, outgoing
from batchgen.provider.http.whole_exchange import Slots

pytestmark = pytest.mark.anyio

URL = "https://images.example/v1/images?tenant=7"
HEADERS = [("Authorization", "Bearer none"), ("Content-Type", "application/json"), ("Host", "images.example")]


def unordered(sent):
    """A request whose headers may stand in another order, which says nothing."""
    line, *lines = sent.head.split(b"\r\n")
    return line, sorted(lines), replace(sent, head=b"", headers=sorted(sent.headers))


@pytest.mark.parametrize("routes", [Routes(), Routes(https=Proxy("proxy.example", 3128)), Routes(http=Proxy("p", 1))])
@pytest.mark.parametrize("url", [URL, "http://images.example:8080/"])
async def test_a_prepared_post_is_the_request_that_httpx_makes(kind, routes, url):
    options = EngineOptions(routes=routes)
    extensions = {"timeout": {"read": None}, "max_body_bytes": 77}
    prepared = Prepared(await outgoing(httpx.Request("POST", url, headers=HEADERS, extensions=extensions), options))
    for body in (b"{}", b"", b"\r\n\0" * 9):
        whole = httpx.Request("POST", url, headers=[*HEADERS, ("k", "a-1")], content=body, extensions=extensions)
        assert unordered(prepared.post(body, [(b"k", b"a-1")])) == unordered(await outgoing(whole, options))


async def test_a_prepared_get_asks_for_another_target(kind):
    prepared = Prepared(await outgoing(httpx.Request("GET", "https://host.example/", headers=HEADERS), EngineOptions()))
    whole = httpx.Request("GET", "https://host.example/a/b.webp?x=1", headers=HEADERS)
    assert unordered(prepared.get(b"/a/b.webp?x=1")) == unordered(await outgoing(whole, EngineOptions()))


@pytest.mark.parametrize("broken", [b"a\r\nx: 1", b"a\n", b"a\r", b"a\0"])
async def test_a_header_or_a_target_that_breaks_the_head_is_refused(kind, broken):
    prepared = Prepared(await outgoing(httpx.Request("POST", URL), EngineOptions()))
    with pytest.raises(httpx.LocalProtocolError):
        prepared.post(b"", [(b"idempotency-key", broken)])
    with pytest.raises(httpx.LocalProtocolError):
        prepared.get(b"/" + broken)


async def test_the_key_in_a_prepared_head_shows_in_no_text(faults, opened):
    headers = {"authorization": "Bearer s3cret"}
    prepared = await opened().prepared(httpx.Request("POST", faults.url("ok"), headers=headers))
    assert "s3cret" not in f"{prepared!r}{prepared.post(b'', [])!r}"


async def test_an_exchange_brings_the_answer_as_it_came(faults, opened, post):
    engine = opened()
    prepared = await engine.prepared(post(faults.url("echo")))
    for body in (b"one", b"two" * 50_000):
        sent = prepared.post(body, [])
        received = await engine.exchange(sent)
        assert (received.status, inflated(sent, received)) == (200, body)


async def test_no_more_are_under_way_than_there_are_slots_and_all_have_their_turn(kind):
    slots, under_way, most, done = Slots(3), 0, 0, []

    async def use(number):
        nonlocal under_way, most
        async with slots:
            under_way += 1
            most = max(most, under_way)
            await anyio.sleep(0)
            under_way -= 1
        done.append(number)

    async with anyio.create_task_group() as tasks:
        for number in range(50):
            tasks.start_soon(use, number)
    assert (most, len(done), slots.taken) == (3, 50, 0)


@pytest.mark.parametrize("called", [True, False], ids=["called already", "still waiting"])
async def test_one_that_gives_up_its_turn_passes_it_on(kind, called):
    slots, had = Slots(1), []

    async def use(name):
        async with slots:
            had.append(name)

    async with anyio.create_task_group() as tasks:
        async with slots:
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as quitters:
                    quitters.start_soon(use, "quitter")
                    await anyio.wait_all_tasks_blocked()
                    tasks.start_soon(use, "heir")
                    await anyio.wait_all_tasks_blocked()
                    if called:
                        await slots.__aexit__()
                        slots.taken += 1
                    scope.cancel()
        with anyio.fail_after(5):
            await anyio.wait_all_tasks_blocked()
    assert had == ["heir"]
    assert slots.taken == 0
