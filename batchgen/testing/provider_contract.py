"""What every provider promises, as tests: subclass :class:`ProviderContract` in a test module, and pytest runs them.

    class TestMine(ProviderContract):
        model = "my/model"

        def open_provider(self, base_url, key):
            return MyProvider(base_url, key)

        def answer(self, arrived, picture_url):
            return Reply(body=json.dumps({"link": picture_url}).encode())

Nothing here imports pytest: the methods are plain functions, and any runner that calls them will do.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio
import anyio.to_thread

from batchgen.provider.arrival import Arrival, from_rest
from batchgen.provider.interface import (
    Answered,
    Catalogue,
    Download,
    DownloadFailed,
    Failed,
    Obstacle,
    Provider,
    Verdict,
)
from batchgen.request import Kind, Request, canonical_json, key_of
from batchgen.testing.loopback import Arrived, Loopback, Reply, closed_address, loopback

UNBILLED = frozenset(Verdict) - {Verdict.SPOILED, Verdict.DOUBT}

_PROMPT = "a fox"
_PICTURE = "/hosted/picture"
_CONTENT = b"\x89PNG\r\n\x1a\n and whatever else a picture has in it"
_JUNK = (b"", b"   ", b"{", b"null", b"[]", b"17", b'"a"', b"{}", b"\xff\xfe", b'{"data": 17}', b"[" * 100_000)
_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

Check = Callable[[Provider, Loopback, Loopback], Awaitable[None]]


class ProviderContract:
    """The promises of :class:`~batchgen.provider.interface.Provider`, each as one test against a service of our own.

    A subclass says how its provider is opened and how its service answers. ``backend`` is the async library; run the
    tests on ``asyncio`` and on ``trio`` if the provider is for both.
    """

    backend = "asyncio"
    kind = Kind.IMAGE
    model = "contract/model"
    key = "contract-canary-" + "k" * 48

    def open_provider(self, base_url: str, key: str) -> Provider:
        """Return the provider, not yet entered, for a service at ``base_url`` that wants ``key``."""
        raise NotImplementedError

    def answer(self, arrived: Arrived, picture_url: str) -> Reply:
        """Return the service's answer to a good post, with its picture at ``picture_url`` or inline."""
        raise NotImplementedError

    def request(self) -> Request:
        """Return a request that the service takes."""
        parameters = {"prompt": _PROMPT}
        canonical = canonical_json(provider="contract", kind=self.kind, model=self.model, parameters=parameters)
        return Request(
            key=key_of(canonical),
            canonical=canonical,
            provider="contract",
            kind=self.kind,
            model=self.model,
            parameters=parameters,
        )

    def test_it_has_a_name_and_says_where_requests_go(self) -> None:
        async def check(provider: Provider, service: Loopback, _: Loopback) -> None:
            _must(bool(provider.name) and isinstance(provider.name, str), "name is no text")
            _must(provider.base_url.startswith(service.url), f"base_url is {provider.base_url!r}, not {service.url!r}")

        self._run(check)

    def test_a_good_answer_takes_one_post_and_reads_the_same_again(self) -> None:
        async def check(provider: Provider, service: Loopback, _: Loopback) -> None:
            arrivals: list[Arrival] = []
            answer = await self._generated(provider, arrivals)
            _must(isinstance(answer, Answered), f"a good answer became {answer!r}")
            assert isinstance(answer, Answered)
            _must(bool(answer.generation.pictures), "an answer without a picture is none")
            _must(len(service.posts) == 1, f"{len(service.posts)} posts instead of one")
            kept = from_rest(arrivals[0].at_rest())
            again = provider.read(kept)
            same = isinstance(again, Answered) and again.generation == answer.generation
            _must(same, f"read() makes {again!r} of the kept answer that it read as {answer.generation!r}")

        self._run(check)

    def test_a_redirect_of_a_post_is_never_followed(self) -> None:
        async def check(provider: Provider, service: Loopback, elsewhere: Loopback) -> None:
            for status in (301, 302, 303, 307, 308):
                for target in (f"{elsewhere.url}/there", "/there"):
                    service.seen.clear()
                    service.reply = _always(Reply(status, headers={"Location": target}))
                    answer = await self._generated(provider)
                    _must(len(service.seen) == 1, f"a {status} was followed on the same host")
                    _must(not elsewhere.seen, f"a {status} was followed to another host, perhaps with the key")
                    _is_unbilled(answer, f"a redirect ({status})")

        self._run(check)

    def test_what_was_never_sent_is_surely_not_billed(self) -> None:
        async def main() -> None:
            async with self.open_provider(closed_address(), self.key) as provider:
                _is_unbilled(await self._generated(provider), "an address where nobody listens")

        anyio.run(main, backend=self.backend)

    def test_an_answer_that_does_not_come_whole_leaves_a_doubt(self) -> None:
        async def check(provider: Provider, service: Loopback, _: Loopback) -> None:
            good = service.reply
            spoiled: dict[str, Callable[[Arrived], Reply]] = {
                "a connection closed without an answer": _always(Reply(how="nothing")),
                "an answer cut in half": lambda arrived: _halved(good(arrived)),
                "a gateway's page": _always(Reply(502, _GATEWAY, {"Content-Type": "text/html"})),
            }
            for what, reply in spoiled.items():
                service.seen.clear()
                service.reply = reply
                answer = await self._generated(provider)
                in_doubt = isinstance(answer, Failed) and answer.verdict is Verdict.DOUBT
                _must(in_doubt, f"{what} may have been billed, and became {answer!r}")
                _must(len(service.posts) == 1, f"{what} was posted again: {len(service.posts)} posts")

        self._run(check)

    def test_a_refusal_is_told_from_a_doubt_and_not_repeated(self) -> None:
        async def check(provider: Provider, service: Loopback, _: Loopback) -> None:
            expected = {400: None, 401: Verdict.STOP_RUN, 403: None, 429: Verdict.THROTTLED}
            for status, verdict in expected.items():
                service.seen.clear()
                body = b'{"error": {"message": "no, for a reason", "type": "contract"}}'
                service.reply = _always(Reply(status, body, {"Retry-After": "7"}))
                answer = await self._generated(provider)
                _is_unbilled(answer, f"status {status}")
                assert isinstance(answer, Failed)
                _must(verdict in {None, answer.verdict}, f"status {status} is {verdict}, and became {answer!r}")
                _must(len(service.posts) == 1, f"status {status} was posted again: {len(service.posts)} posts")
                waits = answer.retry_after_s
                _must(status != 429 or (waits is not None and waits >= 7), f"Retry-After: 7 was read as {waits}")

        self._run(check)

    def test_a_call_that_is_cancelled_ends_at_once_and_leaves_the_provider_sound(self) -> None:
        async def check(provider: Provider, service: Loopback, _: Loopback) -> None:
            good = service.reply
            service.reply = _always(Reply(how="never"))
            with anyio.fail_after(10):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._generated, provider)
                    await anyio.to_thread.run_sync(service.arrived.wait, 10)
                    tasks.cancel_scope.cancel()
            _must(len(service.posts) == 1, f"{len(service.posts)} posts of a call that was cancelled")
            service.reply = good
            answer = await self._generated(provider)
            _must(isinstance(answer, Answered), f"after a cancelled call a good answer became {answer!r}")

        self._run(check)

    def test_a_download_carries_no_credentials(self) -> None:
        async def check(provider: Provider, service: Loopback, elsewhere: Loopback) -> None:
            for host in (elsewhere, service):
                host.reply = _always(Reply(body=_CONTENT, headers={"Content-Type": "image/png"}))
                found = await provider.download(f"{host.url}{_PICTURE}?signature=1")
                _must(isinstance(found, Download) and found.content == _CONTENT, f"{found!r} is not the picture")
                (arrived,) = host.seen
                _must(arrived.method == "GET", f"a download is a GET, not {arrived.method}")
                _must(arrived.path.startswith(_PICTURE), f"{arrived.path} was asked for")
                _must(not {"authorization", "cookie", "x-api-key"} & arrived.headers.keys(), "credentials went along")
                _must(self.key not in repr(arrived), "the key went along")

        self._run(check)

    def test_a_picture_that_is_gone_is_told(self) -> None:
        async def check(provider: Provider, _: Loopback, elsewhere: Loopback) -> None:
            for status in (401, 403, 404, 410, 500):
                elsewhere.reply = _always(Reply(status))
                try:
                    found = await provider.download(f"{elsewhere.url}{_PICTURE}")
                except DownloadFailed as error:
                    waits = error.obstacle in {Obstacle.PASSING, Obstacle.GONE}
                    _must(waits, f"status {status} may be over in a minute, and became {error.obstacle}")
                else:
                    raise AssertionError(f"status {status} became {found!r}")

        self._run(check)

    def test_free_look_ups_answer_or_say_nothing(self) -> None:
        async def check(provider: Provider, service: Loopback, _: Loopback) -> None:
            for reply in (Reply(500), Reply(body=b"{"), Reply(body=b"[17]"), Reply(how="nothing"), Reply(401)):
                service.reply = _always(reply)
                catalogue, balance = await provider.catalogue(), await provider.balance_microusd()
                _must(catalogue is None or isinstance(catalogue, Catalogue), f"catalogue() gave {catalogue!r}")
                _must(balance is None or isinstance(balance, int), f"balance_microusd() gave {balance!r}")
            _must(not service.posts, "a look-up posted something")

        self._run(check)

    def test_the_key_shows_nowhere(self) -> None:
        async def check(provider: Provider, service: Loopback, elsewhere: Loopback) -> None:
            said = [repr(provider), str(provider)]
            echo = f'{{"error": {{"message": "no such key: {self.key}", "type": "contract"}}}}'.encode()
            replies = (
                Reply(200, echo),
                Reply(400, echo),
                Reply(401, echo),
                Reply(500, echo),
                Reply(200, self.key.encode()),
                Reply(307, headers={"Location": f"/?key={self.key}"}),
            )
            for reply in replies:
                service.reply = _always(reply)
                answer = await self._generated(provider)
                _must(isinstance(answer, Failed), f"an error became {answer!r}")
                assert isinstance(answer, Failed)
                said += [answer.message, answer.reason]
            try:
                await provider.download(f"{elsewhere.url}/{self.key}?key={self.key}")
            except DownloadFailed as error:
                said += [str(error), repr(error)]
            for text in said:
                _must(self.key not in text, f"the key shows in {text.replace(self.key, '(the key)')!r}")

        self._run(check)

    def test_reading_a_body_never_raises(self) -> None:
        async def check(provider: Provider, *_: Loopback) -> None:
            for body in _JUNK:
                answer = provider.read(Arrival(200, (), body))
                _must(isinstance(answer, Failed), f"{body[:20]!r} is no answer, and became {answer!r}")

        self._run(check)

    def _run(self, check: Check) -> None:
        async def main() -> None:
            async with self.open_provider(service.url, self.key) as provider:
                # Requests that a provider makes when it is opened don't count.
                service.seen.clear()
                service.arrived.clear()
                await check(provider, service, elsewhere)

        with loopback() as service, loopback() as elsewhere:
            service.reply = lambda arrived: self.answer(arrived, f"{elsewhere.url}{_PICTURE}")
            anyio.run(main, backend=self.backend)

    async def _generated(self, provider: Provider, arrivals: list[Arrival] | None = None) -> Answered | Failed:
        came = await provider.generate(self.request(), idempotency_key="contract-1")
        if isinstance(came, Failed):
            return came
        if arrivals is not None:
            arrivals.append(came)
        return provider.read(came)


def _must(true: bool, otherwise: str) -> None:  # noqa: FBT001 - as in `assert true, otherwise`
    # No `assert`: these tests hold under `python -O`, and pytest rewrites none outside of its own modules.
    if not true:
        raise AssertionError(otherwise)


def _is_unbilled(answer: Answered | Failed, what: str) -> None:
    unbilled = isinstance(answer, Failed) and answer.verdict in UNBILLED
    _must(unbilled, f"{what} was surely not billed, and became {answer!r}")


def _always(reply: Reply) -> Callable[[Arrived], Reply]:
    return lambda _: reply


def _halved(reply: Reply) -> Reply:
    return Reply(reply.status, reply.body, reply.headers, "half")
