"""Idle connections, kept only while they are surely alive.

Last in, first out: the connection taken is the one idle for the shortest time, and nothing is ever scanned per request.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

# Long enough to matter, short enough to forgive a restart.
_MEMORY_S = 60.0


class Origin(NamedTuple):
    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Reusable(Protocol):
    def is_alive(self) -> bool:
        """Whether the peer has neither closed nor said anything unasked, as far as the socket knows right now."""


C = TypeVar("C", bound=Reusable)


@dataclass(frozen=True, slots=True)
class IdleConnection(Generic[C]):
    connection: C
    since: float


@dataclass(frozen=True, slots=True)
class Taken(Generic[C]):
    """A connection to use, if one was surely alive, and those the caller is now to close."""

    connection: C | None
    idle_for_s: float
    dead: list[C]


@dataclass(slots=True)
class Trust:
    """What is known of an origin's habit of keeping connections open.

    A server that closes right after each answer does so while the next request is under way, and no look at the
    socket can see that in time. So a stranger gets one request on a used connection, all others go over new ones,
    until that one was answered. A server that closed after t seconds may be closing others of that age at this
    moment: it is trusted for half of t, for a minute.
    """

    idle_s: float
    proven: bool = False
    on_trial: bool = False
    until: float = math.inf


class FreeList(Generic[C]):
    def __init__(self, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle_s = idle_s
        self._clock = clock
        self._idle: dict[Origin, deque[IdleConnection[C]]] = {}
        self._trust: dict[Origin, Trust] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, origin: Origin, connection: C) -> None:
        self._idle.setdefault(origin, deque()).append(IdleConnection(connection, self._clock()))
        self._count += 1

    def take(self, origin: Origin) -> Taken[C]:
        """Whoever gets a connection says afterwards `answered`, `lost` or, where neither is known, `unsettled`."""
        idle, trust, dead = self._idle.get(origin), self._trusted(origin), list[C]()
        while idle and (trust.proven or not trust.on_trial):
            newest = self._pop(origin, idle.pop())
            idle_for_s = self._clock() - newest.since
            if not newest.connection.is_alive():
                self.lost(origin, idle_for_s)
            elif idle_for_s < trust.idle_s:
                trust.on_trial = True
                return Taken(newest.connection, idle_for_s, dead)
            dead.append(newest.connection)
        return Taken(None, 0.0, dead)

    def answered(self, origin: Origin) -> None:
        """Notes that a reused connection brought an answer: this origin keeps them."""
        self._trusted(origin).proven = True

    def lost(self, origin: Origin, idle_for_s: float) -> None:
        """Notes that the origin closed a connection that had been idle for so long."""
        trust = self._trusted(origin)
        trust.on_trial = False
        trust.idle_s = min(trust.idle_s, idle_for_s / 2)
        trust.until = self._clock() + _MEMORY_S

    def unsettled(self, origin: Origin) -> None:
        self._trusted(origin).on_trial = False

    def expired(self) -> list[C]:
        """Gives up the connections that were idle for too long to be used again."""
        now, found = self._clock(), list[C]()
        for origin, idle in list(self._idle.items()):
            while idle and now - idle[0].since >= self._idle_s:
                found.append(self._pop(origin, idle.popleft()).connection)
        return found

    def oldest(self) -> C | None:
        """Gives up the connection idle longest at some origin, to make room for one elsewhere."""
        for origin, idle in self._idle.items():
            return self._pop(origin, idle.popleft()).connection
        return None

    def _pop(self, origin: Origin, idle: IdleConnection[C]) -> IdleConnection[C]:
        self._count -= 1
        if not self._idle[origin]:
            del self._idle[origin]
        return idle

    def _trusted(self, origin: Origin) -> Trust:
        trust = self._trust.get(origin)
        if trust is None or trust.until < self._clock():
            trust = self._trust[origin] = Trust(self._idle_s)
        return trust
