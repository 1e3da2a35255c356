"""The explanation of single requests of a plan: which ones are meant, and why each would be sent or not."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable
from dataclasses import replace

from batchgen.errors import UsageError
from batchgen.planning.reasons import Explained, StoredRequest, explain, nearest
from batchgen.request import Request, State
from batchgen.wording import counted

# A number this short is a row's; keys are shown with eight digits or more.
_ROW = re.compile(r"[0-9]{1,7}", re.ASCII)
_KEY = re.compile(r"[0-9a-f]{1,32}", re.ASCII)
# A row makes as many requests as there are combinations: the first ones are explained.
MOST = 20


def pick(requests: Iterable[Request], wanted: str) -> tuple[Request, ...]:
    """Return the requests of the row numbered ``wanted``, or the one whose key begins with it.

    At most ``MOST`` + 1 of a row. Raise :class:`UsageError` if there is no such request, or more than one such key.
    """
    word = wanted.strip().lower()
    if _ROW.fullmatch(word):
        return _of_row(requests, int(word))
    if not _KEY.fullmatch(word):
        raise UsageError(f"{wanted!r} is neither a row's number nor the beginning of a key (hexadecimal digits)")
    return (_of_key(requests, word),)


def explain_one(
    request: Request, state: State | None, orphans: Iterable[StoredRequest], bought: Iterable[StoredRequest]
) -> Explained:
    """Return what :func:`explain` finds; a new request is also compared with all that was ever ``bought``."""
    found = explain(request, state, lambda _: orphans)
    if state is not None or found.relative is not None:
        return found
    return replace(found, relative=nearest(request, bought))


def _of_row(requests: Iterable[Request], row: int) -> tuple[Request, ...]:
    found = []
    last = 0
    for request in requests:
        last = max(last, request.row)
        if request.row == row:
            found.append(request)
        if len(found) > MOST:
            break
    if not found:
        raise UsageError(f"there is no row {row} that makes a request; rows reach up to {last}")
    return tuple(found)


def _of_key(requests: Iterable[Request], prefix: str) -> Request:
    found: dict[str, Request] = {}
    near: list[tuple[int, str]] = []
    for request in requests:
        if request.key.startswith(prefix):
            found[request.key] = request
        elif not found:
            near = heapq.nsmallest(3, {*near, (-_common(request.key, prefix), request.key)})
    if not found:
        keys = ", ".join(key[:12] for _, key in near)
        raise UsageError(f"no request of this manifest has a key that begins with {prefix!r}; the nearest are {keys}")
    if len(found) > 1:
        keys = ", ".join(key[:12] for key in list(found)[:3])
        raise UsageError(f"{counted(len(found), 'key')} of requests begin with {prefix!r}: {keys}; give more digits")
    return next(iter(found.values()))


def _common(one: str, other: str) -> int:
    """Return how many characters two texts have in common at their beginning."""
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return length
