"""The body of an answer as it comes: in memory while it is small, and in a sink from its first byte on."""

from __future__ import annotations

from typing import Protocol

from batchgen.provider.http.received import Content, Headers

# What is larger is read from where the sink keeps it, if there is a sink.
LARGEST_IN_MEMORY_BYTES = 64 * 1024


class Sink(Protocol):
    """What keeps an answer beyond this process while the answer arrives. Called on the event loop; never raises."""

    def begin(self, status: int, headers: Headers) -> None:
        """Note that an answer begins; what the sink holds of one before it counts no more."""
        ...

    def add(self, part: bytes) -> bool:
        """Keep the next bytes of the body; return whether the sink has all there were so far."""
        ...

    def view(self) -> memoryview:
        """Return what was kept of the body. Nothing is added after that."""
        ...


class ArrivingBody:
    """The body of one answer, in its order of arrival. Without a ``sink``, all of it stays in memory."""

    __slots__ = ("_parts", "_sink", "_sunk_bytes", "bytes")

    def __init__(self, sink: Sink | None = None) -> None:
        self._sink = sink
        self._parts: list[bytes] = []
        self._sunk_bytes = 0
        self.bytes = 0

    def begin(self, status: int, headers: Headers) -> None:
        """Note the head of the answer, before its body."""
        if self._sink is not None:
            self._sink.begin(status, headers)

    def add(self, part: bytes) -> None:
        """Take the next bytes."""
        self.bytes += len(part)
        self._parts.append(part)
        if self._sink is not None and self._sink.add(part) and self.bytes > LARGEST_IN_MEMORY_BYTES:
            self._parts.clear()
            self._sunk_bytes = self.bytes

    def content(self) -> Content:
        """Return all that has arrived; a view of the sink's if nothing is missing there and it is large."""
        if self._sunk_bytes:
            assert self._sink is not None
            sunk = self._sink.view()
            return b"".join([sunk[: self._sunk_bytes], *self._parts]) if self._parts else sunk
        return self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
