"""One blind vote: which of two pictures somebody found better, as one line of JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

import msgspec

from batchgen.errors import UsageError

VERSION = 1

# A vote is some hundred bytes and its item's prompt; what is longer is no vote.
LINE_BYTES = 64 * 1024


class BadVote(UsageError):
    """What was given is no vote, or there is no room for it. Nothing was written."""


class Winner(StrEnum):
    """What the voter said. ``both_bad`` and ``skip`` say nothing about which is better."""

    A = "a"
    B = "b"
    TIE = "tie"
    BOTH_BAD = "both_bad"
    SKIP = "skip"


_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=20_000)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class Vote(msgspec.Struct, frozen=True, kw_only=True):
    """One line. ``a`` and ``b`` are the values of ``axis`` that were compared, with all that ``item`` names held equal.

    ``item`` is best the JSON of what is held equal, names sorted, values as text: ``{"prompt":"…","repeat":"1"}``. Then
    votes on one prompt are known to belong together; any other text is a prompt of its own. ``ts`` is when the vote was
    cast, in milliseconds since the epoch, ``ms`` how long it took, ``side`` which of the two stood left, and ``seed``
    what the sides were drawn from. A line with ``undo`` takes back the vote it repeats.
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
        """The two that were compared, in the order of their names."""
        return (self.a, self.b) if self.a < self.b else (self.b, self.a)

    @property
    def identity(self) -> tuple[object, ...]:
        """Equal for two lines about the same vote."""
        return (self.voter, self.ts, self.axis, self.item, self.pair)


def parse(line: bytes) -> Vote:
    """The vote that a line holds. Raises :class:`BadVote` with what is wrong with it."""
    if len(line) > LINE_BYTES:
        raise BadVote(f"more than {LINE_BYTES:,} bytes are too long for a vote")
    try:
        vote = _decoder.decode(line)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BadVote(str(error)) from error
    if vote.v > VERSION:
        raise BadVote(f"version {vote.v} is of a newer batchgen")
    return vote


_decoder = msgspec.json.Decoder(Vote)
