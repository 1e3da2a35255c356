"""Blind votes in `votes.jsonl`: one JSON object a line, appended and never changed; taking one back is a line too.

A vote is recognised by who cast it, when, on which item and which pair. So the exports of several people can be put
together in any order, also twice, and a vote that was taken back in one of them is taken back in all.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, BinaryIO, Literal

import msgspec

from batchgen.errors import UsageError
from batchgen.store.files import sync_folder

FILE = "votes.jsonl"
VERSION = 1

# A vote is some hundred bytes and its item's prompt; what is longer is no vote.
LINE_BYTES = 64 * 1024
# Room for a million votes; a page gone mad doesn't fill the disk that pictures are paid into.
FILE_BYTES = 256 * 1024 * 1024
SHOWN = 20


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


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no vote: where it stands, and why."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes that count, oldest first, and what was left out.

    ``undone`` were taken back, ``repeated`` stood there more than once, ``revised`` were replaced by a later vote of
    the same voter on the same pair and item.
    """

    votes: tuple[Vote, ...] = ()
    bad: tuple[BadLine, ...] = ()
    undone: int = 0
    repeated: int = 0
    revised: int = 0

    def left_out(self) -> tuple[str, ...]:
        """What isn't counted and why, in words; of bad lines the first ``SHOWN``."""
        counts = ((self.undone, "taken back"), (self.repeated, "repeated"), (self.revised, "changed by a later one"))
        lines = [f"{count:,} {'vote was' if count == 1 else 'votes were'} {what}" for count, what in counts if count]
        lines += [str(line) for line in self.bad[:SHOWN]]
        if len(self.bad) > SHOWN:
            lines.append(f"… and {len(self.bad) - SHOWN:,} more lines that are no votes")
        return tuple(lines)


def append(folder: Path, vote: Vote | bytes) -> Vote:
    """Adds a vote to the run folder at ``folder``, durable once this returns; two processes may do so at once.

    JSON from outside is checked first. Raises :class:`BadVote` where it is no vote, or where the file is full.
    """
    vote = parse(vote if isinstance(vote, bytes) else msgspec.json.encode(vote))
    line = msgspec.json.encode(vote) + b"\n"
    path = folder / FILE
    new = not path.exists()
    with _opened(path) as handle:
        size = os.fstat(handle).st_size
        # A line that a crash cut short ends here, and doesn't take this vote with it.
        if size and os.pread(handle, 1, size - 1) != b"\n":
            line = b"\n" + line
        if size + len(line) > FILE_BYTES:
            raise BadVote(f"{path}: holds {FILE_BYTES:,} bytes of votes, which is the most it takes")
        try:
            _write(handle, line)
        except OSError as error:
            # Half a line would be the next reader's bad line.
            os.ftruncate(handle, size)
            raise BadVote(f"{path}: can't be written: {_reason(error)}") from error
    if new:
        sync_folder(folder)
    return vote


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


def read(folder: Path) -> Votes:
    """The votes of the run folder at ``folder``; none where nobody has voted. See :func:`merged`."""
    path = folder / FILE
    return merged([path] if path.exists() else [])


def merged(files: Sequence[Path]) -> Votes:
    """The votes in all of ``files`` together. Lines that are no votes are listed and left out.

    Raises :class:`UsageError` where one of ``files`` can't be read.
    """
    bad: list[BadLine] = []
    seen: dict[tuple[object, ...], Vote] = {}
    undone: set[tuple[object, ...]] = set()
    repeated = 0
    for place, line in _lines(files):
        try:
            vote = parse(line)
        except BadVote as error:
            bad.append(BadLine(place, str(error)))
            continue
        if vote.undo:
            undone.add(vote.identity)
        elif (known := seen.setdefault(vote.identity, vote)) is not vote:
            repeated += 1
            if known.winner is not vote.winner and _won(known) != _won(vote):
                bad.append(BadLine(place, "the same vote stands there with another winner, which counts"))
    standing = [vote for identity, vote in seen.items() if identity not in undone]
    latest = _latest(standing)
    return Votes(
        votes=latest,
        bad=tuple(bad),
        undone=len(seen) - len(standing),
        repeated=repeated,
        revised=len(standing) - len(latest),
    )


_decoder = msgspec.json.Decoder(Vote)


def _write(handle: int, line: bytes) -> None:
    view = memoryview(line)
    while view:
        view = view[os.write(handle, view) :]
    os.fsync(handle)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _won(vote: Vote) -> str:
    """The winner by name, since one line may say (a, b) where another says (b, a)."""
    return {Winner.A: vote.a, Winner.B: vote.b}.get(vote.winner, vote.winner)


def _latest(votes: Iterable[Vote]) -> tuple[Vote, ...]:
    """One vote per voter, item and pair, the last one; of the nameless, who may be many people, all."""
    # The identity decides between equal times, so that the order of the files makes no difference.
    ordered = sorted(votes, key=lambda vote: (vote.ts, vote.voter, vote.axis, vote.item, vote.pair))
    latest = {(vote.voter, vote.axis, vote.item, vote.pair) if vote.voter else vote.identity: vote for vote in ordered}
    return tuple(sorted(latest.values(), key=lambda vote: vote.ts))


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """``(file:line, text)`` of every line that isn't blank; of one that is too long, its beginning."""
    for path in files:
        try:
            with path.open("rb") as stream:
                yield from _lines_of(stream, path)
        except OSError as error:
            raise UsageError(f"{path}: can't be read: {_reason(error)}") from error


def _lines_of(stream: BinaryIO, path: Path) -> Iterator[tuple[str, bytes]]:
    number, room = 1, FILE_BYTES
    rest = False
    while piece := stream.readline(LINE_BYTES + 2):
        room -= len(piece)
        if room < 0:
            raise UsageError(f"{path}: more than {FILE_BYTES:,} bytes are no file of votes")
        if not rest and (text := piece.strip()):
            yield f"{path}:{number}", text
        rest = not piece.endswith(b"\n")
        number += not rest


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """A descriptor to append with, that no other process holds. Raises :class:`BadVote` where there can't be one."""
    flags = os.O_CREAT | os.O_APPEND | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        handle = os.open(path, flags, 0o666)
    except OSError as error:
        raise BadVote(f"{path}: can't be written: {_reason(error)}") from error
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise BadVote(f"{path}: is no file to append to")
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield handle
    finally:
        os.close(handle)
