"""Idle connections, kept only while the server is expected to keep them open.

Last in, first out: the connection idle for the shortest time is taken, and no list is scanned per request.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, NamedTuple, Protocol, TypeVar

# Long enough to matter, short enough that a server's restart is forgotten.
_MEMORY_S = 60.0


class Origin(NamedTuple):
    """The server of a connection."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Reusable(Protocol):
    """A connection that can be kept for another request."""

    def is_alive(self) -> bool:
        """Return whether, by the state of the socket, the peer has neither closed nor sent anything unasked."""


C = TypeVar("C", bound=Reusable)


class IdleConnection(NamedTuple, Generic[C]):
    """An idle connection, with the clock's seconds at which it became idle."""

    connection: C
    since: float


class Taken(NamedTuple, Generic[C]):
    """A connection to use, if one is alive, and the ``dead`` ones that the caller closes."""

    connection: C | None
    idle_for_s: float
    dead: list[C]


@dataclass(slots=True)
class Trust:
    """How long an origin keeps connections open, as far as known.

    A server that closes right after each answer does so while the next request is under way, and no check of the
    socket can see that in time. So an unknown server gets one request on a used connection, all others go over new
    ones, until that one was answered. A server that closed after t seconds may be closing others of that age at this
    moment: for a minute, connections to it are reused only within half of t.
    """

    idle_s: float
    proven: bool = False
    on_trial: bool = False
    until: float = math.inf


class FreeList(Generic[C]):
    """The idle connections of one engine, by origin."""

    def __init__(self, idle_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._idle_s = idle_s
        self._clock = clock
        self._idle: dict[Origin, deque[IdleConnection[C]]] = {}
        self._trust: dict[Origin, Trust] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, origin: Origin, connection: C) -> None:
        """Keep a connection that is idle from now on."""
        self._idle.setdefault(origin, deque()).append(IdleConnection(connection, self._clock()))
        self._count += 1

    def take(self, origin: Origin) -> Taken[C]:
        """Return a connection, if any. The caller reports `answered`, `lost` or, if it knows neither, `unsettled`."""
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
        """Note that a reused connection brought an answer: this origin keeps them."""
        self._trusted(origin).proven = True

    def lost(self, origin: Origin, idle_for_s: float) -> None:
        """Note that the origin closed a connection that had been idle for so long."""
        trust = self._trusted(origin)
        trust.on_trial = False
        trust.idle_s = min(trust.idle_s, idle_for_s / 2)
        trust.until = self._clock() + _MEMORY_S

    def unsettled(self, origin: Origin) -> None:
        """Note that an exchange ended without telling whether the origin keeps connections."""
        self._trusted(origin).on_trial = False

    def expired(self) -> list[C]:
        """Remove and return the connections that were idle for too long to be used again."""
        now, found = self._clock(), list[C]()
        for origin, idle in list(self._idle.items()):
            while idle and now - idle[0].since >= self._idle_s:
                found.append(self._pop(origin, idle.popleft()).connection)
        return found

    def oldest(self) -> C | None:
        """Remove and return the connection idle longest at some origin, to make room for one elsewhere."""
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
