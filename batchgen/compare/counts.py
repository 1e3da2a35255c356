"""Counts of votes: who beat whom how often, and on which prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import numpy.typing as npt

from batchgen.compare.bradley_terry import Floats
from batchgen.compare.vote import Vote, Winner

Integers = npt.NDArray[np.int64]

_DECIDED = {Winner.A: 1.0, Winner.TIE: 0.5, Winner.B: 0.0}


@dataclass(frozen=True, slots=True)
class Tally:
    """The votes that say which is better, or that neither is; each array has one element per vote.

    ``score`` is 1 if ``first`` won, 0 if ``second`` did and ½ for a tie. ``prompt`` numbers the prompts.
    ``both_bad`` counts by title, ``skipped`` all votes that say nothing, ``voters`` the names under the others.
    """

    titles: tuple[str, ...]
    prompts: int
    prompt: Integers
    first: Integers
    second: Integers
    score: Floats
    both_bad: Mapping[str, int]
    skipped: int
    voters: int

    @property
    def votes(self) -> int:
        return len(self.score)

    def in_order(self, titles: tuple[str, ...]) -> Tally:
        """Return the same with the titles in another order."""
        places = np.array([titles.index(title) for title in self.titles], dtype=np.int64)
        return replace(self, titles=titles, first=places[self.first], second=places[self.second])


def tally(votes: Iterable[Vote], prompts_known: Mapping[str, str] | None = None) -> Tally:
    """Return the counts of ``votes`` on one axis. The order of the votes and the names of the titles don't matter.

    ``prompts_known`` says which items are of one prompt, by item; for others see :func:`prompt_of`.
    """
    known = prompts_known or {}
    # Sorted, since random draws are made by index later: the same votes must give the same ranking.
    votes = sorted(votes, key=lambda vote: (vote.item, vote.pair, vote.voter, vote.ts))
    decided = [vote for vote in votes if vote.winner in _DECIDED]
    titles = tuple(sorted({title for vote in decided for title in vote.pair}))
    places = {title: place for place, title in enumerate(titles)}
    prompts: dict[str, int] = {}
    numbers = [prompts.setdefault(known.get(vote.item) or prompt_of(vote.item), len(prompts)) for vote in decided]
    bad = Counter(title for vote in votes if vote.winner is Winner.BOTH_BAD for title in vote.pair)
    return Tally(
        titles=titles,
        prompts=len(prompts),
        prompt=np.array(numbers, dtype=np.int64),
        first=np.array([places[vote.a] for vote in decided], dtype=np.int64),
        second=np.array([places[vote.b] for vote in decided], dtype=np.int64),
        score=np.array([_DECIDED[vote.winner] for vote in decided], dtype=np.float64),
        both_bad=bad,
        skipped=sum(vote.winner is Winner.SKIP for vote in votes),
        voters=len({vote.voter for vote in decided}),
    )


def held_equal(item: str) -> Mapping[str, str | None]:
    """Return the fields of an item by name; nothing if it is no JSON object of names and texts."""
    try:
        return _fields.decode(item)
    except (msgspec.MsgspecError, RecursionError):
        return {}


def prompt_of(item: str) -> str:
    """Return what makes two votes belong together: the item's prompt, or else all its fields but repeat and picture.

    The repeats of a request are no new prompts.
    """
    held = held_equal(item)
    if prompt := held.get("prompt"):
        return prompt
    rest = {name: value for name, value in held.items() if name not in COUNTS}
    return msgspec.json.encode(rest, order="sorted").decode() if rest else item


# The fields that tell the pictures of one combination apart.
COUNTS = frozenset({"repeat", "picture"})

_fields = msgspec.json.Decoder(dict[str, str | None])


@dataclass(frozen=True, slots=True)
class Matrix:
    """``wins[i, j]``: how often ``i`` beat ``j``; ``ties`` and ``votes`` are symmetric."""

    wins: Integers
    ties: Integers

    @property
    def votes(self) -> Integers:
        return self.wins + self.wins.T + self.ties

    @property
    def halved(self) -> Floats:
        """Wins, a tie counting half a win for each."""
        result: Floats = self.wins + self.ties / 2
        return result


def matrix(tallied: Tally) -> Matrix:
    """Return who beat whom, and who tied with whom, over all prompts."""
    size = len(tallied.titles)
    wins = np.zeros((size, size), dtype=np.int64)
    ties = np.zeros((size, size), dtype=np.int64)
    np.add.at(wins, (tallied.first, tallied.second), (tallied.score == 1).astype(np.int64))
    np.add.at(wins, (tallied.second, tallied.first), (tallied.score == 0).astype(np.int64))
    for one, other in ((tallied.first, tallied.second), (tallied.second, tallied.first)):
        np.add.at(ties, (one, other), (tallied.score == 0.5).astype(np.int64))
    return Matrix(wins, ties)


def prompts_of(tallied: Tally) -> Integers:
    """Return on how many prompts each title was voted on."""
    seen = np.zeros((tallied.prompts, len(tallied.titles)), dtype=np.int64)
    for side in (tallied.first, tallied.second):
        seen[tallied.prompt, side] = 1
    result: Integers = seen.sum(axis=0)
    return result
