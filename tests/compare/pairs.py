"""Which two pictures to show next: the pair that needs a vote most, with its sides drawn by lot.

The rule in Python, to hold against the page's own script (`compare/page/pairs.js`):

1. A match is a row and two titles ``a``, ``b`` (in the axis' order) whose pictures in that row are both stored and have
   different digests, and which the voter has not voted on, nor skipped, in that row.
2. The pair of titles comes first: of those with a match, the one with fewest votes by anyone, skips not counted; then
   the one whose ratings are closest, unknown ratings being 0; then the one that comes first in the axis' order.
3. Of that pair's matches, the row with fewest votes on any pair; then the smallest ``lot(seed, item)``.
4. ``a`` stands left if ``lot(seed, item, a, b)`` is even.

``lot`` is FNV-1a (32 bits, offset 2166136261, prime 16777619) over the UTF-8 bytes of its words joined by line feeds,
finished by MurmurHash3's mixer: ``h ^= h >> 16; h *= 0x85EBCA6B; h ^= h >> 13; h *= 0xC2B2AE35; h ^= h >> 16``, each
product modulo 2^32. ``lot(7, "mug")`` is 2364793913.

Votes come before ratings in rule 2 for the sake of the intervals. A rule that goes where a vote tells most (as that of
arXiv 1810.08851) finds the order of ten models with a third fewer votes; but a pair that looks decided by chance then
never gets the votes that would put it right: of ten models, 60 % of the 95 % intervals then hold the truth.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from batchgen.compare.vote import Vote, Winner


@dataclass(frozen=True, slots=True)
class Row:
    """The digests of an item's stored pictures by title; what failed or is missing is left out."""

    item: str
    pictures: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Match:
    """Two pictures to show: ``side`` says which of them stands left."""

    item: str
    a: str
    b: str
    side: Literal["a", "b"]


def choose(
    rows: Sequence[Row],
    titles: Sequence[str],
    votes: Iterable[Vote],
    *,
    voter: str,
    seed: int,
    ratings: Mapping[str, float] | None = None,
) -> Match | None:
    """The match that ``voter`` sees next, by the module's rule; ``None`` when there is none left.

    ``titles`` are the values of the axis in its order, ``votes`` those that count, of everybody and on this axis.
    """
    needs = _Needs(votes, voter)
    ratings = ratings or {}
    open_rows: dict[tuple[int, int], list[Row]] = {}
    for row in rows:
        for place, (a, b) in _pairs(titles):
            if _can_match(row, a, b) and (row.item, frozenset((a, b))) not in needs.done:
                open_rows.setdefault(place, []).append(row)
    if not open_rows:
        return None

    def need(place: tuple[int, int]) -> tuple[int, float, tuple[int, int]]:
        a, b = titles[place[0]], titles[place[1]]
        return needs.by_pair[frozenset((a, b))], abs(ratings.get(a, 0.0) - ratings.get(b, 0.0)), place

    pair = min(open_rows, key=need)
    row = min(open_rows[pair], key=lambda row: (needs.by_item[row.item], lot(seed, row.item)))
    a, b = titles[pair[0]], titles[pair[1]]
    return Match(row.item, a, b, "a" if lot(seed, row.item, a, b) % 2 == 0 else "b")


def identical(rows: Iterable[Row], titles: Sequence[str]) -> int:
    """How many pairs are never shown because both pictures are the same file, byte for byte."""
    return sum(
        a in row.pictures and row.pictures[a] == row.pictures.get(b) for row in rows for _, (a, b) in _pairs(titles)
    )


def lot(seed: int, *words: str) -> int:
    """A number below 2^32 that looks drawn, and is the same in every language that does 32-bit arithmetic."""
    number = 0x811C9DC5
    for byte in "\n".join((str(seed), *words)).encode("utf-8", "surrogatepass"):
        number = (number ^ byte) * 0x01000193 & 0xFFFFFFFF
    number = (number ^ number >> 16) * 0x85EBCA6B & 0xFFFFFFFF
    number = (number ^ number >> 13) * 0xC2B2AE35 & 0xFFFFFFFF
    return number ^ number >> 16


class _Needs:
    """What has been voted on: by pair and by item, and what this voter has seen."""

    def __init__(self, votes: Iterable[Vote], voter: str) -> None:
        self.by_pair: Counter[frozenset[str]] = Counter()
        self.by_item: Counter[str] = Counter()
        self.done: set[tuple[str, frozenset[str]]] = set()
        for vote in votes:
            pair = frozenset((vote.a, vote.b))
            if vote.voter == voter:
                self.done.add((vote.item, pair))
            if vote.winner is not Winner.SKIP:
                self.by_pair[pair] += 1
                self.by_item[vote.item] += 1


def _pairs(titles: Sequence[str]) -> Iterable[tuple[tuple[int, int], tuple[str, str]]]:
    for (first, a), (second, b) in combinations(enumerate(titles), 2):
        yield (first, second), (a, b)


def _can_match(row: Row, a: str, b: str) -> bool:
    return a in row.pictures and b in row.pictures and row.pictures[a] != row.pictures[b]
