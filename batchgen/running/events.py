"""What a run tells those who listen. A run without listeners says nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from batchgen.request import State


@dataclass(frozen=True, slots=True)
class InputsDecoded:
    """How many of the input pictures that were not known yet have been decoded, before anything is sent."""

    done: int
    wanted: int


@dataclass(frozen=True, slots=True)
class Started:
    """The start of sending: ``expected`` is what is likely still to be spent, ``balance`` the account's, if known.

    ``night_before`` is what earlier runs of this night spent of its budget, ``night``, if the night has a budget.
    ``finishing`` answers were paid for by an earlier process and are no pictures yet.
    """

    requests: int
    folder: str
    provider: str
    simulated: bool
    expected_microusd: int
    budget_microusd: int | None
    finishing: int
    balance_microusd: int | None
    night_microusd: int | None = None
    night_before_microusd: int = 0


@dataclass(frozen=True, slots=True)
class Retrying:
    """A failed attempt whose request will be sent again."""

    key: str
    model: str
    reason: str
    message: str
    wait_s: float


@dataclass(frozen=True, slots=True)
class Ended:
    """A request in the state that the request has at the end of this run."""

    key: str
    model: str
    state: State
    file: str | None
    billed_microusd: int
    reason: str | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """The reason why ``count`` requests that could be sent are not, for ``wait_s`` more seconds at least."""

    model: str
    count: int
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class LaneProgress:
    """The progress of one model: what is done of what the run has to do, how fast, and its ``state`` in words.

    ``allowed`` requests may be in flight. Rate, latency and time left are ``None`` while nobody can know them.
    """

    model: str
    total: int
    done: int
    failed: int
    in_flight: int
    allowed: int
    rate_per_s: float | None
    p50_s: float | None
    eta_s: float | None
    state: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of the run, told several times a second. ``eta_s`` is the slowest lane's, if each has one."""

    total: int
    done_before: int
    ended: Mapping[State, int]
    in_flight: int
    billed_microusd: int
    maybe_microusd: int
    estimated_microusd: int
    waits: tuple[Wait, ...]
    lanes: tuple[LaneProgress, ...] = ()
    rate_per_s: float | None = None
    eta_s: float | None = None
    budget_microusd: int | None = None


@dataclass(frozen=True, slots=True)
class FinalStep:
    """What a run does after its last answer: ``done`` of ``total``, if that can be counted."""

    name: str
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Stopping:
    """The end of sending; requests in flight are paid for and will land."""

    reason: str
    in_flight: int
    at_stake_microusd: int


@dataclass(frozen=True, slots=True)
class Notice:
    """News for the user that ended no request, such as what was rebuilt or could not be recorded."""

    message: str


@dataclass(frozen=True, slots=True)
class PlanReading:
    """How many requests of a plan were read so far: a large one takes minutes, before anything else is said."""

    requests: int


Event = PlanReading | InputsDecoded | Started | Retrying | Ended | Progress | FinalStep | Stopping | Notice
Listener = Callable[[Event], None]


def silent(_: Event) -> None:
    """Ignore an event: the listener of callers who want to hear nothing."""
