"""Blind votes read from `votes.jsonl` and from exported files, and merged.

A vote is recognised by voter, time, item and pair. So the exports of several people can be merged in any order, also
twice, and a vote that was taken back in one of them is taken back in all.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from batchgen.compare.vote import LINE_BYTES, BadVote, Vote, Winner, parse
from batchgen.errors import UsageError
from batchgen.wording import counted

FILE = "votes.jsonl"

# Room for a million votes; a page that sends votes without end must not fill the disk of paid pictures.
FILE_BYTES = 256 * 1024 * 1024
# So many of the lines that are no votes are kept; all are counted.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that is no vote, with its place and the reason."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Votes:
    """The votes that count, oldest first, and what was left out.

    ``bad`` are the first ``SHOWN`` of ``bad_lines`` that are no votes. ``undone`` were taken back, ``repeated``
    occurred more than once, ``revised`` were replaced by a later vote of the same voter on the same pair and item.
    """

    votes: tuple[Vote, ...] = ()
    bad: tuple[BadLine, ...] = ()
    bad_lines: int = 0
    undone: int = 0
    repeated: int = 0
    revised: int = 0

    def left_out(self) -> tuple[str, ...]:
        """Return lines for people about what isn't counted, and why."""
        counts = ((self.undone, "taken back"), (self.repeated, "repeated"), (self.revised, "changed by a later one"))
        lines = [f"{counted(count, 'vote was', 'votes were')} {what}" for count, what in counts if count]
        lines += map(str, self.bad)
        if more := self.bad_lines - len(self.bad):
            lines.append(f"… and {counted(more, 'more line that is no vote', 'more lines that are no votes')}")
        return tuple(lines)


def read(folder: Path) -> Votes:
    """Return the votes of the run folder at ``folder``; none if nobody has voted. See :func:`merged`."""
    path = folder / FILE
    return merged([path] if path.exists() else [])


def merged(files: Sequence[Path]) -> Votes:
    """Return the votes in all of ``files``, merged. Lines that are no votes are listed and left out.

    Raises :class:`UsageError` if one of ``files`` can't be read.
    """
    bad = _BadLines()
    seen: dict[tuple[object, ...], Vote] = {}
    undone: set[tuple[object, ...]] = set()
    repeated = 0
    for place, line in _lines(files):
        try:
            vote = parse(line)
        except BadVote as error:
            bad.add(place, str(error))
            continue
        if vote.undo:
            undone.add(vote.identity)
        elif (known := seen.setdefault(vote.identity, vote)) is not vote:
            repeated += 1
            if known.winner is not vote.winner and _won(known) != _won(vote):
                bad.add(place, "repeats an earlier vote with another winner; the earlier one counts")
    standing = [vote for identity, vote in seen.items() if identity not in undone]
    latest = _latest(standing)
    return Votes(
        votes=latest,
        bad=tuple(bad.first),
        bad_lines=bad.count,
        undone=len(seen) - len(standing),
        repeated=repeated,
        revised=len(standing) - len(latest),
    )


class _BadLines:
    """The first of the lines that are no votes, and their number: a foreign file may have a hundred million."""

    def __init__(self) -> None:
        self.first: list[BadLine] = []
        self.count = 0

    def add(self, place: str, message: str) -> None:
        self.count += 1
        if len(self.first) < SHOWN:
            self.first.append(BadLine(place, message))


def _won(vote: Vote) -> str:
    """Return the winner by name, since one line may say (a, b) and another one (b, a)."""
    return {Winner.A: vote.a, Winner.B: vote.b}.get(vote.winner, vote.winner)


def _latest(votes: Iterable[Vote]) -> tuple[Vote, ...]:
    """Return the last vote of each voter on an item and pair, and all votes of the nameless, who may be many people."""
    # The identity decides between equal times: the order of the files must make no difference.
    ordered = sorted(votes, key=lambda vote: (vote.ts, vote.voter, vote.axis, vote.item, vote.pair))
    latest = {(vote.voter, vote.axis, vote.item, vote.pair) if vote.voter else vote.identity: vote for vote in ordered}
    return tuple(sorted(latest.values(), key=lambda vote: vote.ts))


def _lines(files: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield ``(file:line, text)`` of every line that isn't blank; of a line that is too long, its beginning."""
    for path in files:
        try:
            with path.open("rb") as stream:
                yield from _lines_of(stream, path)
        except OSError as error:
            raise UsageError(f"{path}: can't be read: {(error.strerror or str(error)).lower()}") from error


def _lines_of(stream: BinaryIO, path: Path) -> Iterator[tuple[str, bytes]]:
    number, room = 1, FILE_BYTES
    rest = False
    while piece := stream.readline(LINE_BYTES + 2):
        room -= len(piece)
        if room < 0:
            raise UsageError(f"{path}: has more than {FILE_BYTES:,} bytes, the most that a file of votes may have")
        if not rest and (text := piece.strip()):
            yield f"{path}:{number}", text
        rest = not piece.endswith(b"\n")
        number += not rest
