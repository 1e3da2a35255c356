"""What every provider promises to the rest of the program, which knows no HTTP.

A provider posts a request at most once per call, never follows a redirect of a post, and says of every failure what it
means for the money: surely not billed, billed, or unknown.
"""

from __future__ import annotations

import enum
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, Self

from batchgen.request import Generation, Request

if TYPE_CHECKING:
    from batchgen.provider.arrival import Arrival
    from batchgen.provider.credentials import Secret
    from batchgen.provider.service_access import Access


class Verdict(enum.StrEnum):
    """What a failed attempt means for its request, and for the run."""

    PASSING = "passing"  # surely not billed; try again with back-off
    UNCLEAR = "unclear"  # not billed, reason unknown; try again, but only twice
    OVERLOADED = "overloaded"  # not billed; try again with back-off, and more slowly
    THROTTLED = "throttled"  # not billed; try again when the service says so
    REFUSED = "refused"  # not billed and lasting
    SPOILED = "spoiled"  # billed, and nothing usable came
    DOUBT = "in doubt"  # nobody here knows whether it was billed
    STOP_LANE = "stop lane"  # not billed; this model won't answer again today
    STOP_RUN = "stop run"  # not billed; no request of this run will be answered


@dataclass(frozen=True, slots=True)
class RateLimit:
    """The start rate a service states in its headers, per window in seconds."""

    limit: int
    remaining: int
    window_s: float
    reset_s: float


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer means that holds a picture or its address: it is paid for."""

    generation: Generation
    rate_limit: RateLimit | None = None


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that brought no picture.

    ``reason`` is a short class such as ``moderation`` or ``connect``; ``message`` is for people, without secrets.
    ``cost_microusd`` is what the service billed nevertheless, ``cost_source`` where that stood; ``maybe_billed``:
    nothing proves that it did not.
    """

    verdict: Verdict
    reason: str
    message: str
    status: int | None = None
    retry_after_s: float | None = None
    cost_microusd: int | None = None
    maybe_billed: bool = False
    rate_limit: RateLimit | None = None
    cost_source: str = "answer"


Answer = Answered | Failed


@dataclass(frozen=True, slots=True)
class Download:
    """The bytes behind a picture's address; a view of a file if they are many."""

    content: bytes | memoryview
    media_type: str


class Obstacle(enum.StrEnum):
    """What keeps a hosted picture away, and what follows. Downloads are free, and never cause a new request."""

    PASSING = "passing"  # tried again for minutes, and by later runs
    GONE = "gone"  # tried again for a minute, and once by each later run while services keep pictures
    LOCAL = "local"  # a rule or a lack of this machine: not tried again in this run
    NEVER = "never"  # the address can't be fetched at all


class DownloadFailed(Exception):
    """A picture's address did not give the picture."""

    def __init__(self, message: str, obstacle: Obstacle = Obstacle.PASSING) -> None:
        super().__init__(message)
        self.obstacle = obstacle


@dataclass(frozen=True, slots=True)
class Price:
    """What one request to a model costs, in micro-dollars, and where the figure comes from."""

    low_microusd: int
    expected_microusd: int
    high_microusd: int
    source: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model of the catalogue. ``sizes`` and ``seconds`` are empty if any value is taken."""

    id: str
    kind: str
    price: Price | None
    aliases: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    seconds: tuple[str, ...] = ()
    takes_quality: bool = True
    takes_image: bool = True
    takes_mask: bool = True
    released: str = ""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The models a provider offers, by identifier.

    ``binding``: the service refuses a request that contradicts it. An older copy, or a list that may leave something
    out, is not binding: it gives warnings, and must stop nothing.
    """

    models: Mapping[str, Model]
    binding: bool = True
    _by_alias: Mapping[str, Model] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_alias = {alias: model for model in self.models.values() for alias in model.aliases}
        object.__setattr__(self, "_by_alias", by_alias)

    def find(self, name: str) -> Model | None:
        """Return the model of that identifier or alias; ``None`` if there is none."""
        return self.models.get(name) or self._by_alias.get(name)

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that :meth:`find` knows."""
        return (*self.models, *self._by_alias)


@dataclass(frozen=True, slots=True)
class Opening:
    """What a manifest says of a plugin's provider; the plugin's factory makes a :class:`Provider` of it.

    ``kind`` is the name the provider must have. ``key`` was found under ``api_key_env``, by default ``<KIND>_API_KEY``,
    in the environment, a ``.env`` or a key file. ``options`` are the manifest's ``provider.options``. At most
    ``concurrency`` requests are under way at once. ``access`` is for an ``HttpClient``: headers, proxy, certificates.
    """

    kind: str
    base_url: str | None
    key: Secret | None
    concurrency: int
    options: Mapping[str, object]
    access: Access | None = None


class Provider(Protocol):
    """A service that turns requests into pictures or films, for money. Used inside ``async with``."""

    name: str

    @property
    def base_url(self) -> str:
        """The address of the service; empty until an embedded service has started."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def generate(self, request: Request, *, idempotency_key: str) -> Arrival | Failed:
        """Post the request once; return what arrived, unjudged, or why nothing did.

        Only cancellation leaves this call as an exception.
        """
        ...

    def read(self, arrival: Arrival, *, sent: Collection[str] = ()) -> Answer:
        """Return what an answer means, now or in any later run.

        ``sent`` are the digests of the request's inputs: an answer that only repeats them holds no picture.
        """
        ...

    async def download(self, url: str) -> Download:
        """Return the bytes at a picture's address, fetched without credentials. Raise :class:`DownloadFailed`."""
        ...

    async def catalogue(self) -> Catalogue | None:
        """Return the models on offer, or ``None`` if the service has no list or can't be reached."""
        ...

    async def balance_microusd(self) -> int | None:
        """Return the money left on the account in micro-dollars, or ``None`` if the service can't tell."""
        ...
