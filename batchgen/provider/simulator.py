"""The simulator as a provider: no key, no money, and otherwise everything the real service does.

Without a ``base_url`` a simulator is started for the run and ended with it; its state lies in the run folder, so that
a run that was killed finds its hosted pictures again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.to_thread
import msgspec

from batchgen.errors import StoppedEarly, UsageError
from batchgen.provider.arrival import Arrival
from batchgen.provider.catalogue import read_catalogue
from batchgen.provider.credentials import Secret
from batchgen.provider.imagerouter import ImageRouter
from batchgen.provider.interface import Answer, Catalogue, Download, Failed
from batchgen.request import Request

# A simulator started for a run is for trying things out: it answers ten times as fast as the service.
_QUICK = {"latency_scale": 0.1}


class Simulator:
    """A :class:`~batchgen.provider.interface.Provider` that speaks to a simulator as to ImageRouter."""

    name = "simulator"

    def __init__(
        self, settings: Mapping[str, object], *, state: Path | None, base_url: str | None, concurrency: int
    ) -> None:
        self._settings = settings
        self._state = state
        self.base_url = base_url or ""
        self._concurrency = concurrency
        self._stack = ExitStack()

    async def __aenter__(self) -> Self:
        try:
            if not self.base_url:
                self.base_url = await anyio.to_thread.run_sync(self._start)
            # Any key will do; a fixed one keeps a real key from being sent.
            self._service = ImageRouter(Secret("simulator"), base_url=self.base_url, concurrency=self._concurrency)
            await self._service.__aenter__()
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        with anyio.CancelScope(shield=True):
            await self._service.__aexit__(*exc)
            await self._end()

    async def _end(self) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._stack.close)

    def _start(self) -> str:
        from batchgen.simulator.embedded import SimulatorFailed, embedded

        try:
            return self._stack.enter_context(embedded(_read(self._settings), self._state)).api_url
        except SimulatorFailed as error:
            raise StoppedEarly(f"the simulator did not start: {error}") from error

    async def generate(self, request: Request, *, idempotency_key: str) -> Arrival | Failed:
        return await self._service.generate(request, idempotency_key=idempotency_key)

    def read(self, arrival: Arrival, *, sent: Collection[str] = ()) -> Answer:
        return self._service.read(arrival, sent=sent)

    async def download(self, url: str) -> Download:
        return await self._service.download(url)

    async def catalogue(self) -> Catalogue | None:
        return await self._service.catalogue()

    async def balance_microusd(self) -> int | None:
        return await self._service.balance_microusd()


def offered(settings: Mapping[str, object]) -> Catalogue:
    """Return the catalogue of a simulator that a run would start. Raise :class:`UsageError` for wrong ``settings``."""
    from batchgen.simulator.listings import as_array, as_object, chosen

    listed = as_array if _read(settings).catalogue_shape == "array" else as_object
    return read_catalogue(listed(chosen({})))


def _read(settings: Mapping[str, object]) -> Any:
    """Return the simulator's own settings. Raise :class:`UsageError` for those it does not have."""
    from batchgen.simulator.settings import BadSettings, settings_from_json

    try:
        return settings_from_json(msgspec.json.encode({**_QUICK, **settings}))
    except BadSettings as error:
        raise UsageError(f"provider.simulator: {error}") from error
