"""What the votes say in words, the same on a terminal and on the page; and what they don't say."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from batchgen.compare.bootstrap import FEWEST_PROMPTS
from batchgen.compare.ranking import Ranking, Rated
from batchgen.report.figures import amount
from batchgen.wording import counted, visible

if TYPE_CHECKING:
    from batchgen.compare.leaderboard import Leaderboard, LeaderboardRow

# More than these are left to --json.
_NAMES = 8
_SETS = 4


def verdict(standings: Leaderboard) -> str:
    """Return in a sentence which title to buy: the cheapest that the votes don't show to be worse than the best."""
    ranking = standings.ranking
    if not ranking.rated:
        return "Nobody has said yet which is better."
    known = [one for one in standings.titles if is_known(one.rated)]
    if not known:
        missing = FEWEST_PROMPTS - max(one.prompts for one in ranking.rated)
        return f"Too early to choose: votes on {counted(missing, 'more prompt')} are needed at least."
    best = known[0]
    # Of groups that never met nothing is known: the choice is within that of the best.
    group = next(
        (group for group in ranking.apart if best.rated.title in group), tuple(one.rated.title for one in known)
    )
    rivals = [one for one in known if one.rated.title in group]
    good = [one for one in rivals if one.rated.best_rank == 1]
    priced = [
        (one.cost.microusd, place, one) for place, one in enumerate(good) if one.cost and one.cost.microusd is not None
    ]
    if not priced:
        return f"{visible(best.rated.title)} is rated highest; what the best cost is not known."
    _, _, cheapest = min(priced)
    return _choice(best, cheapest, good, apart=len(good) < len(rivals))


def is_known(one: Rated) -> bool:
    """Return whether the votes are on enough prompts to say anything about a title."""
    return one.low is not None or one.high is not None


def _choice(best: LeaderboardRow, cheapest: LeaderboardRow, good: Sequence[LeaderboardRow], *, apart: bool) -> str:
    name, price = visible(cheapest.rated.title), price_of(cheapest)
    if len(good) == 1:
        return f"{name} is the best, and costs {price} a picture."
    if not apart:
        return f"The votes don't tell any of them apart yet; {name} is the cheapest, at {price} a picture."
    if cheapest is best:
        return f"{name} is rated highest, and is the cheapest of those that may be the best, at {price} a picture."
    return (
        f"{name}, at {price} a picture, is the cheapest that is not shown to be worse than the best: "
        f"{visible(best.rated.title)}, at {price_of(best)}."
    )


def price_of(one: LeaderboardRow) -> str:
    """Return what a picture costs, a mean in three figures, marked if it is an estimate."""
    estimated = "~" if one.cost and one.cost.estimated else ""
    price = rounded(one.cost.microusd, 3) if one.cost else None
    return amount(None) if price is None else f"{estimated}{amount(price)}"


def rounded(amount_microusd: int | None, figures: int) -> int | None:
    """Return an amount that is a mean, rounded to ``figures``."""
    if not amount_microusd:
        return amount_microusd
    return round(amount_microusd, figures - 1 - math.floor(math.log10(amount_microusd)))


def claims(ranking: Ranking) -> Iterable[str]:
    """Yield what the votes don't say, and about how many more would."""
    few = [one.title for one in ranking.rated if not is_known(one)]
    if few:
        who = "" if len(few) == len(ranking.rated) else f": {_names(few)}"
        yield f"Voted on fewer than {FEWEST_PROMPTS} prompts, too few for intervals and to tell anything apart{who}."
    for group in ranking.apart:
        yield f"Compared only among themselves, and not with the others: {_names(group)}."
    yield from _alike([group for group in ranking.alike if list(group) != few], len(ranking.rated))
    if ranking.more:
        yield (
            f"About {counted(ranking.more.votes, 'more vote')} on new prompts should tell {visible(ranking.more.a)} "
            f"from {visible(ranking.more.b)}, if they differ as much as it seems."
        )
    if any((one.low is None) != (one.high is None) for one in ranking.rated):
        yield "≥ and ≤: never lost to the others, or never won; the votes don't say how far ahead or behind."
    bad = [f"{visible(one.title)} {one.both_bad:,}" for one in ranking.rated if one.both_bad]
    if bad:
        yield f"Said to be bad, both: {', '.join(bad)}."


def _alike(groups: Sequence[tuple[str, ...]], count: int) -> Iterable[str]:
    if any(len(group) == count for group in groups):
        yield "None of them can be told apart."
    elif len(groups) > _SETS:
        titles = len(set(chain.from_iterable(groups)))
        yield f"{titles:,} of them can't be told from some others: their ranks overlap (all the sets: --json)."
    else:
        yield from (f"Can't be told apart: {_names(group)}." for group in groups)


def prices(standings: Leaderboard) -> Iterable[str]:
    """Yield what price and rating say together, and for which titles they can't."""
    best = [one.rated.title for one in standings.titles if one.unbeaten]
    if len(best) > 1:
        yield f"Whoever wants a higher rating than one of these has to pay more: {_names(best)}."
    unknown = [one.rated.title for one in standings.titles if one.cost is None]
    if unknown:
        yield f"Voted on, but not in this folder: {_names(unknown)}."
    if standings.others:
        yield f"No vote yet that says which is better: {_names(standings.others)}."
    for name, count in standings.elsewhere.items():
        yield f"{counted(count, 'more vote')} on {visible(name)}: see --axis {visible(name)}."


def _names(titles: Iterable[str]) -> str:
    shown = [visible(title) for title in titles]
    rest = len(shown) - _NAMES
    return ", ".join(shown[:_NAMES]) + (f" and {rest:,} more" if rest > 0 else "")
