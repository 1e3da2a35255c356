"""A service's last catalogue, kept in the user's cache folder for a day on which the service can't be reached.

Without it an alias would not be resolved that day, and a request under another name is another purchase. A copy that
is damaged, foreign or missing is no error: then nothing is known, and no run is stopped.
"""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from batchgen.provider.interface import Catalogue, Model, Provider
from batchgen.user_cache import cache_folder

# A run needs no catalogue, so it waits no longer than this for one.
LOOK_UP_S = 15.0

# Increased whenever the file's content changes its meaning.
_VERSION = 1
_LARGEST_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class CatalogueLookup:
    """A service's catalogue: a fresh one, or a copy that is ``age_s`` old.

    ``notice`` is for the user, and so is what there is to tell of the ``ways`` to the service.
    """

    catalogue: Catalogue | None
    age_s: float | None = None
    notice: str | None = None
    ways: tuple[str, ...] = ()

    @property
    def notices(self) -> tuple[str, ...]:
        """All that is for the user."""
        return (*self.ways, *([self.notice] if self.notice else []))


async def look_up(provider: Provider) -> CatalogueLookup:
    """Return the catalogue of a provider that was entered, or the copy of an earlier day if it can't be reached."""
    catalogue = None
    with anyio.move_on_after(LOOK_UP_S):
        catalogue = await provider.catalogue()
    # A simulator can always be reached, and has another address each time.
    if provider.name == "simulator":
        return CatalogueLookup(catalogue)
    if catalogue is not None and catalogue.models:
        await anyio.to_thread.run_sync(remember, provider.base_url, catalogue)
        return CatalogueLookup(catalogue)
    return await anyio.to_thread.run_sync(recall, provider.base_url) or CatalogueLookup(None, notice=_nothing(provider))


def remember(base_url: str, catalogue: Catalogue) -> None:
    """Keep the catalogue for :func:`recall`; without a writable cache folder nothing is kept."""
    with suppress(OSError, RuntimeError):
        target = _file(base_url)
        target.parent.mkdir(parents=True, exist_ok=True)
        kept = _CachedCatalogue(_VERSION, base_url, time.time(), tuple(catalogue.models.values()), catalogue.binding)
        temporary = target.with_name(f".{secrets.token_hex(8)}.part")
        try:
            temporary.write_bytes(msgspec.json.encode(kept))
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def recall(base_url: str) -> CatalogueLookup | None:
    """Return the copy of that service's catalogue, or ``None``. A copy is not binding: the service may have changed."""
    try:
        file = _file(base_url)
        if file.stat().st_size > _LARGEST_BYTES:
            return None
        kept = _decoder.decode(file.read_bytes())
    except (OSError, RuntimeError, ValueError, RecursionError):
        return None
    if kept.version != _VERSION or kept.base_url != base_url or not kept.models:
        return None
    age_s = max(0.0, time.time() - kept.saved_s)
    notice = f"catalogue from {_ago(age_s)}: {base_url} gives none now"
    return CatalogueLookup(Catalogue({model.id: model for model in kept.models}, binding=False), age_s, notice)


def names_in_cache() -> list[str]:
    """Return the names of the models in all copies there are, whichever service they are from."""
    names: list[str] = []
    with suppress(OSError, RuntimeError):
        for file in sorted(cache_folder().glob("catalogue-*.json")):
            with suppress(OSError, ValueError, RecursionError):
                if file.stat().st_size <= _LARGEST_BYTES:
                    names += [model.id for model in _decoder.decode(file.read_bytes()).models]
    return names


class _CachedCatalogue(msgspec.Struct, frozen=True):
    version: int
    base_url: str
    saved_s: float
    models: tuple[Model, ...]
    binding: bool


_decoder = msgspec.json.Decoder(_CachedCatalogue)


def _file(base_url: str) -> Path:
    return cache_folder() / f"catalogue-{blake2b(base_url.encode(), digest_size=8).hexdigest()}.json"


def _nothing(provider: Provider) -> str | None:
    # Many OpenAI-compatible servers have no list, and nobody expects one.
    if provider.name == "openai":
        return None
    return f"{provider.base_url} gives no catalogue: aliases, prices and models' parameters are not known"


def _ago(age_s: float) -> str:
    for seconds, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        count = int(age_s // seconds)
        if count:
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"
