"""Why each request of a plan would be sent or not, and how it differs from the nearest bought request."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from batchgen.planning.compact_set import CompactSet
from batchgen.request import Request, State, read_canonical

# A prompt that keeps less than half of its words is another prompt, not an edited one.
_ALIKE = 0.5
# How many characters are shown before the first difference, and in all.
_CONTEXT = 16
_LONGEST = 60

_BATCH = 1_000

Lookup = Callable[[Sequence[str]], Mapping[str, State]]


class Reason(enum.StrEnum):
    """Why a request would be sent, or how it ended already."""

    NEW = "new"
    CHANGED = "changed"
    DONE = "done"
    PAID = "paid, not on disk yet"
    WAITING = "waiting"
    REFUSED = "refused"
    SPOILED = "spoiled"
    DOUBT = "in doubt"


# A request that is *sent* while no run goes on is in doubt; during a run it is in flight.
_OF_STATE = {
    None: Reason.NEW,
    State.STORED: Reason.DONE,
    State.ANSWERED: Reason.PAID,
    State.SENT: Reason.DOUBT,
    State.WAITING: Reason.WAITING,
    State.REFUSED: Reason.REFUSED,
    State.SPOILED: Reason.SPOILED,
    State.DOUBT: Reason.DOUBT,
}


class StoredRequest(Protocol):
    """A bought request, as the ledger holds it."""

    @property
    def key(self) -> str: ...
    @property
    def canonical(self) -> bytes: ...
    @property
    def row(self) -> int: ...
    @property
    def repeat(self) -> int: ...
    @property
    def columns(self) -> Mapping[str, str]: ...
    @property
    def axes(self) -> Mapping[str, str]: ...


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of two requests; ``None`` for the one without that field."""

    field: str
    before: str | None
    now: str | None


@dataclass(frozen=True, slots=True)
class Relative:
    """A bought request, and all that differs in another one."""

    key: str
    differences: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True)
class Explained:
    """A request of the plan and its reason; ``relative`` is the request that it was changed from."""

    request: Request
    reason: Reason
    relative: Relative | None = None


def reason_of(state: State | None) -> Reason:
    """Return the reason of a request in that state of the ledger; *changed* is not known from the state."""
    return _OF_STATE[state]


Candidates = Callable[[Request], Iterable[StoredRequest]]


def explained(requests: Iterable[Request], lookup: Lookup, candidates: Candidates) -> Iterator[Explained]:
    """Yield each of ``requests`` with its reason, as a stream; of equal ones only the first, since only that is sent.

    A candidate is replaced by one request, and by the one of its own row: added rows are not changed rows.
    """
    seen, rest = CompactSet(), iter(requests)
    taken: set[str] = set()

    def free(request: Request) -> Iterator[StoredRequest]:
        return (one for one in candidates(request) if one.key not in taken or _same_row(one, request))

    while batch := list(islice(rest, _BATCH)):
        states = lookup([request.key for request in batch])
        for request in batch:
            if seen.add(request.key):
                found = explain(request, states.get(request.key), free)
                if found.relative:
                    taken.add(found.relative.key)
                yield found


@dataclass(frozen=True, slots=True)
class Overview:
    """All requests in short: how many were ``changed``, and the ``first`` of those that are not done."""

    changed: int
    first: tuple[Explained, ...]


def look_over(
    requests: Iterable[Explained], *, first: int, whole: bool, tell: Callable[[Explained], None] | None = None
) -> Overview:
    """Return the overview of ``requests``, read to the end if ``whole``, else until ``first`` are found.

    ``tell`` is called with each.
    """
    changed = 0
    shown: list[Explained] = []
    for one in requests if whole or first else ():
        changed += one.reason is Reason.CHANGED
        if one.reason is not Reason.DONE and len(shown) < first:
            shown.append(one)
        if tell:
            tell(one)
        if not whole and len(shown) == first:
            break
    return Overview(changed, tuple(shown))


def by_reason(states: Mapping[State | None, int], changed: int) -> Mapping[Reason, int]:
    """Return the number of requests by reason, in the order of :class:`Reason`, without reasons that have none."""
    counts = Counter({Reason.CHANGED: changed, Reason.NEW: -changed})
    for state, count in states.items():
        counts[reason_of(state)] += count
    return {reason: counts[reason] for reason in Reason if counts[reason] > 0}


def explain(request: Request, state: State | None, candidates: Candidates) -> Explained:
    """Return why ``request`` would be sent or not. It is *changed* if it replaces one of ``candidates``.

    Those are bought requests that the manifest no longer asks for. A request replaces one that has the same position
    (same columns or same row, same titles of the axes and repeat number), or that differs in one field only, a prompt
    in less than half of its words.
    """
    if state is not None:
        return Explained(request, reason_of(state))
    kin = [one for one in candidates(request) if _gives_way(one, request)]
    found = nearest(request, kin)
    return Explained(request, Reason.CHANGED if found else Reason.NEW, found)


def nearest(request: Request, candidates: Iterable[StoredRequest]) -> Relative | None:
    """Return the candidate that differs in the fewest fields; of several, the one nearest in position and prompt."""
    best = min(candidates, key=lambda one: _distance(one, request), default=None)
    if best is None:
        return None
    return Relative(best.key, differences(best.canonical, request.canonical))


def differences(before: bytes, now: bytes) -> tuple[FieldChange, ...]:
    """Return every field of the canonical JSON that differs, the prompt first."""
    old, new = _fields(before), _fields(now)
    names = sorted({*old, *new}, key=lambda name: (name != "prompt", name))
    return tuple(FieldChange(name, old.get(name), new.get(name)) for name in names if old.get(name) != new.get(name))


def shortened(before: str, now: str, *, longest: int = _LONGEST) -> tuple[str, str]:
    """Return both values cut to about ``longest`` characters around the part in which they differ."""
    alike = _common(before, now)
    alike_at_end = min(_common(before[::-1], now[::-1]), min(len(before), len(now)) - alike)
    start = alike - min(_CONTEXT, longest // 4)

    def cut(text: str) -> str:
        return _cut(text, start, min(len(text) - alike_at_end + alike - start, start + longest))

    return cut(before), cut(now)


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length


def _cut(text: str, start: int, end: int) -> str:
    return f"{'…' if start > 0 else ''}{text[max(0, start) : end]}{'…' if end < len(text) else ''}"


def _gives_way(before: StoredRequest, request: Request) -> bool:
    if _same_row(before, request) or _same_columns(before, request):
        return True
    found = differences(before.canonical, request.canonical)
    return len(found) == 1 and (found[0].field != "prompt" or _likeness(before, request) >= _ALIKE)


def _same_row(before: StoredRequest, request: Request) -> bool:
    return (before.row, before.axes, before.repeat) == (request.row, request.axes, request.repeat)


def _same_columns(before: StoredRequest, request: Request) -> bool:
    own = (before.columns, before.axes, before.repeat)
    return bool(request.columns) and own == (request.columns, request.axes, request.repeat)


def _distance(before: StoredRequest, request: Request) -> tuple[int, bool, bool, bool, float]:
    return (
        len(differences(before.canonical, request.canonical)),
        before.columns != request.columns,
        before.axes != request.axes,
        before.row != request.row,
        -_likeness(before, request),
    )


def _likeness(before: StoredRequest, request: Request) -> float:
    """Return the share of words that two prompts have in common, from 0 to 1."""
    one = set(_fields(before.canonical).get("prompt", "").split())
    other = set(request.parameters.get("prompt", "").split())
    return 2 * len(one & other) / (len(one) + len(other)) if one or other else 1.0


def _fields(canonical: bytes) -> dict[str, str]:
    found = read_canonical(canonical)
    fields = found.parameters | {
        "provider": found.provider,
        "kind": found.kind,
        "model": found.model,
        "repeat": str(found.repeat),
    }
    if found.image:
        fields["image"] = " ".join(found.image)
    if found.mask is not None:
        fields["mask"] = found.mask
    return fields | {f"type of {name}": kind for name, kind in found.types.items()}
