"""The provider that a manifest names, with its key."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from batchgen import plugins
from batchgen.errors import BatchgenError, UsageError
from batchgen.provider import imagerouter, openai
from batchgen.provider.catalogue_cache import CatalogueLookup, look_up
from batchgen.provider.credentials import Secret, find_key, redact
from batchgen.provider.http_client import checked_base_url
from batchgen.provider.interface import Opening, Provider
from batchgen.provider.service_access import Access, AccessSettings, access_of, clear_text_notice


@dataclass(frozen=True, slots=True)
class Service:
    """A provider as a manifest names it. ``folder`` may hold a ``.env`` file with the key."""

    kind: str
    folder: Path
    base_url: str | None = None
    api_key_env: str | None = None
    simulator: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, object] = field(default_factory=dict)
    access: AccessSettings = field(default_factory=AccessSettings)

    @property
    def simulated(self) -> bool:
        """Whether the service is a simulator, whose money is play money."""
        return self.kind == "simulator"

    @property
    def embedded(self) -> bool:
        """Whether the service is started for a run, and can't be asked before."""
        return self.simulated and self.base_url is None


def choose_provider(
    service: Service, *, concurrency: int, state: Path | None = None, need_key: bool = True
) -> Provider:
    """Return the provider, not yet entered. Raise :class:`UsageError` if its key or address is missing or unusable.

    ``state`` is the folder of an embedded simulator's sales; ``need_key=False`` is for free look-ups.
    """
    plugins.refuse_clashes()
    if service.simulated:
        return _simulator(service, concurrency=concurrency, state=state)
    if service.kind not in plugins.BUILT_IN:
        return _of_a_plugin(service, concurrency=concurrency)
    found = _found(service, need_key=need_key)
    opened = imagerouter.ImageRouter if service.kind == "imagerouter" else openai.OpenAI
    return opened(found.key, base_url=found.base_url, concurrency=concurrency, access=found.access)


async def look_up_catalogue(service: Service) -> CatalogueLookup:
    """Return a service's catalogue, which needs no key. Raise :class:`UsageError` as :func:`choose_provider` does."""
    if service.embedded:
        from batchgen.provider.simulator import offered

        return CatalogueLookup(offered(service.simulator))
    ways = await _notices(service)
    async with choose_provider(service, concurrency=1, need_key=False) as provider:
        return replace(await look_up(provider), ways=ways)


async def _notices(service: Service) -> tuple[str, ...]:
    """Return what to tell of the way to a service of our own kinds. Raise :class:`UsageError` if no key may go it."""
    if service.simulated or service.kind not in plugins.BUILT_IN:
        return ()
    found = _found(service, need_key=False)
    in_clear = await clear_text_notice(found.base_url, found.access, found.key)
    return (*found.access.notices, *([in_clear] if in_clear else []))


@dataclass(frozen=True, slots=True)
class _Found:
    key: Secret | None
    base_url: str
    access: Access


def _found(service: Service, *, need_key: bool) -> _Found:
    """Return the key, the address and the way of a service of our own kinds. Raise :class:`UsageError`."""
    module = imagerouter if service.kind == "imagerouter" else openai
    env = service.api_key_env or module.KEY_ENV
    key = find_key(env, service.folder)
    stated = service.base_url or os.environ.get(module.BASE_URL_ENV)
    if service.access.socket is not None:
        # The socket leads to one server: its host is only a name in a header.
        stated = service.base_url or f"http://localhost{urlsplit(module.BASE_URL).path}"
    base_url = checked_base_url(stated or module.BASE_URL)
    access = access_of(service.access, service.folder, base_url, need=need_key)
    ours = service.base_url is None and service.access.socket is None
    if key is None and need_key and ours and not access.secret_headers:
        raise UsageError(
            f"no key for {service.kind}: set {env} in the environment, or write it into a .env file beside the "
            f"manifest; to try without a key, use `provider: simulator`"
        )
    return _Found(key, base_url, access)


def _simulator(service: Service, *, concurrency: int, state: Path | None) -> Provider:
    from batchgen.provider.simulator import Simulator

    return Simulator(service.simulator, state=state, base_url=service.base_url, concurrency=concurrency)


def _of_a_plugin(service: Service, *, concurrency: int) -> Provider:
    plugin = plugins.plugin_of(service.kind)
    if plugin is None:
        raise UsageError(f"no provider {service.kind!r} is installed; there are {', '.join(plugins.kinds())}")
    env = service.api_key_env or f"{re.sub('[^A-Z0-9]+', '_', service.kind.upper())}_API_KEY"
    key = find_key(env, service.folder)
    base_url = checked_base_url(service.base_url) if service.base_url is not None else None
    access = access_of(service.access, service.folder, base_url or "https://service.invalid", need=key is not None)
    opening = Opening(service.kind, base_url, key, concurrency, service.options, access)
    whose = f"provider {service.kind!r} of {plugins.distribution_of(plugin)}"
    try:
        provider = plugin.load()(opening)
    except BatchgenError:
        raise
    except Exception as error:
        # Somebody else's code: whatever it raises is reported in a line, without the key.
        said = " ".join(redact(str(error), [key] if key else []).split()) or "no reason given"
        raise UsageError(f"{whose} can't be opened: {type(error).__name__}: {said}") from error
    if lacking := [name for name in _PROMISED if not hasattr(provider, name)]:
        raise UsageError(f"{whose} is no provider: it lacks {', '.join(lacking)}")
    if provider.name != service.kind:
        # The name decides, among other things, whether its money is play money.
        raise UsageError(f"{whose} calls itself {provider.name!r}; its name must be its kind")
    return provider  # type: ignore[no-any-return]


_PROMISED = (
    *("name", "base_url", "__aenter__", "__aexit__"),
    *("generate", "read", "download", "catalogue", "balance_microusd"),
)
