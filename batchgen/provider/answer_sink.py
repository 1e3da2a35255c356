"""What keeps the answer to a paid post while it arrives: whoever buys names a place, and a client writes into it.

The place is named for all that is posted below it, so that neither a provider nor a plugin has to hand it on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Protocol

from batchgen.provider.arrival import ROOM_AT, arriving_head
from batchgen.provider.http.interface import Headers, Sink


class AnswerPlace(Protocol):
    """The place of one answer, for :data:`ANSWER_PLACE`. Used on the event loop; never raises.

    ``attempt`` says whose answer it is.
    """

    attempt: str

    def begin(self, head: bytes, *, room_at: int) -> None:
        """Note the head of an answer, into which spaces may be put at ``room_at``; no other answer counts any more."""
        ...

    def write(self, part: bytes, *, back: int = 0) -> bool:
        """Keep the next bytes, the first of them instead of the last ``back``; return whether all so far is kept."""
        ...

    def view(self) -> memoryview:
        """Return the body as far as it is kept."""
        ...


ANSWER_PLACE: ContextVar[AnswerPlace | None] = ContextVar("ANSWER_PLACE", default=None)
# What keeps the download of a hosted picture likewise.
DOWNLOAD_SINK: ContextVar[Sink | None] = ContextVar("DOWNLOAD_SINK", default=None)

KeptHeaders = tuple[tuple[str, str], ...]


class AnswerSink:
    """A :class:`~batchgen.provider.http.interface.Sink` that writes an answer into its place, without the secrets.

    ``secrets`` are all forms of all of them, longer ones of the same first. Each is masked by as many stars, so that
    a stated length stays true; one that arrives in two parts is masked with the second. ``headers`` are those that
    are kept, once the answer has begun.
    """

    def __init__(self, place: AnswerPlace, secrets: Sequence[bytes], kept: Callable[[Headers], KeptHeaders]) -> None:
        self._place = place
        self._kept = kept
        self._secrets = secrets
        self._longest = max(map(len, secrets), default=1)
        self._tail = b""
        self.headers: KeptHeaders | None = None

    def begin(self, status: int, headers: Headers) -> None:
        self.headers = self._kept(headers)
        self._tail = b""
        head = arriving_head(self._place.attempt, status, self.headers, _stated_length(headers))
        self._place.begin(head, room_at=ROOM_AT)

    def add(self, part: bytes) -> bool:
        if not part:
            return self._place.write(part)
        before = self._tail
        window = masked = before + part
        for form in self._secrets:
            if form in masked:
                masked = masked.replace(form, b"*" * len(form))
        self._tail = masked[1 - self._longest :] if self._longest > 1 else b""
        if masked[: len(before)] != before:
            return self._place.write(masked, back=len(before))
        return self._place.write(part if masked is window else masked[len(before) :])

    def view(self) -> memoryview:
        return self._place.view()


def _stated_length(headers: Headers) -> int | None:
    """Return the one length that the headers state, if a body of that many bytes is whole."""
    values = [value for name, value in headers if name.lower() == b"content-length"]
    coded = any(name.lower() == b"transfer-encoding" for name, _ in headers)
    return int(values[0]) if len(values) == 1 and values[0].isdigit() and len(values[0]) < 19 and not coded else None
