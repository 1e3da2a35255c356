"""An answer as received, its chunks joined and nothing else changed."""

from dataclasses import dataclass

Headers = list[tuple[bytes, bytes]]
# Bytes in memory, or a view of a file into which a large answer was written as it came.
Content = bytes | memoryview


@dataclass(frozen=True, slots=True)
class Received:
    """A whole answer, or what had arrived of one; ``status`` is 0 for bytes that begin with no status line.

    ``repeats``: it equals the answer to the post before it on this connection, which said something else.
    """

    status: int
    headers: Headers
    body: Content
    repeats: bool = False
