"""The provider a manifest names, with its key from where keys may be."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from batchgen.errors import UsageError
from batchgen.provider import imagerouter, openai
from batchgen.provider.credentials import find_key
from batchgen.provider.interface import Provider
from batchgen.provider.wire import checked_base_url


@dataclass(frozen=True, slots=True)
class Service:
    """A provider as a manifest names it. ``folder`` is where a ``.env`` file with the key may lie."""

    kind: str
    folder: Path
    base_url: str | None = None
    api_key_env: str | None = None
    simulator: Mapping[str, object] = field(default_factory=dict)

    @property
    def simulated(self) -> bool:
        return self.kind == "simulator"


def choose_provider(
    service: Service, *, concurrency: int, state: Path | None = None, need_key: bool = True
) -> Provider:
    """The provider, not yet entered. Raises :class:`UsageError` where its key or address is missing or unusable.

    ``state`` is where an embedded simulator remembers what it sold; ``need_key=False`` is for free look-ups.
    """
    if service.simulated:
        return _simulator(service, concurrency=concurrency, state=state)
    module = imagerouter if service.kind == "imagerouter" else openai
    env = service.api_key_env or module.KEY_ENV
    key = find_key(env, service.folder)
    base_url = checked_base_url(service.base_url or os.environ.get(module.BASE_URL_ENV) or module.BASE_URL)
    if key is None and need_key and service.base_url is None:
        raise UsageError(
            f"no key for {service.kind}: set {env} in the environment, or write it into a .env file beside the "
            f"manifest; to try without a key, use `provider: simulator`"
        )
    if module is imagerouter:
        return imagerouter.ImageRouter(key, base_url=base_url, concurrency=concurrency)
    return openai.OpenAI(key, base_url=base_url, concurrency=concurrency)


def _simulator(service: Service, *, concurrency: int, state: Path | None) -> Provider:
    from batchgen.provider.simulator import Simulator

    return Simulator(service.simulator, state=state, base_url=service.base_url, concurrency=concurrency)
