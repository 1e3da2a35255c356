"""One blind vote: which of two pictures a person found better, as one line of JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

VERSION = 1

# A vote has some hundred bytes and a prompt; a longer line is no vote.
LINE_BYTES = 64 * 1024


class BadVote(Exception):
    """A line is no vote, or there is no room for it. Nothing was written."""


class Winner(StrEnum):
    """The choice of the voter. ``both_bad`` and ``skip`` don't say which is better."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"


_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One vote. ``a`` and ``b`` are the values of ``axis`` that were compared, with everything in ``item`` held equal.

    ``item`` should be JSON of what is held equal, names sorted, values as text: ``{"prompt":"…","repeat":"1"}``. Then
    votes on one prompt belong together; any other text counts as a prompt of its own. ``ts`` is when the vote was
    cast, in milliseconds since the epoch, ``ms`` how long it took, ``side`` which of the two was on the left, ``seed``
    the seed that the sides were drawn with. A line with ``undo`` takes back the vote it repeats.
    """

    item: _Text
    a: _Text
    b: _Text
    winner: Winner
    voter: Annotated[str, msgspec.Meta(max_length=200)]
    ts: _Count
    ms: _Count | None = None
    side: Literal["a", "b"] | None = None
    axis: _Text = "model"
    seed: _Count | None = None
    undo: bool = False
    v: Annotated[int, msgspec.Meta(ge=1)] = VERSION

    def __post_init__(self) -> None:
        if self.a == self.b:
            raise ValueError("`a` and `b` are the same")

    @property
    def pair(self) -> tuple[str, str]:
        """The two compared values, in the order of their names."""
        return (self.a, self.b) if self.a < self.b else (self.b, self.a)

    @property
    def identity(self) -> tuple[object, ...]:
        """A value that is equal for two lines about the same vote."""
        return (self.voter, self.ts, self.axis, self.item, self.pair)


def parse(line: bytes) -> Vote:
    """Return the vote that a line holds. Raises :class:`BadVote` if it holds none."""
    if len(line) > LINE_BYTES:
        raise BadVote(f"a vote has at most {LINE_BYTES:,} bytes")
    try:
        vote = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadVote(str(error)) from error
    if vote.v > VERSION:
        raise BadVote(f"version {vote.v} was written by a newer batchgen")
    return vote


_decoder = msgspec.json.Decoder(Vote)
