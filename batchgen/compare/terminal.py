"""The ranking on a terminal of 80 columns or more; plain text where it isn't one."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from batchgen.compare.bootstrap import FEWEST_PROMPTS
from batchgen.compare.ranking import Ranking, Rated
from batchgen.compare.standing import Standing, Standings
from batchgen.report.words import NONE, amount, span
from batchgen.store.plain import visible

# More tables than this are for programs.
_CATEGORIES = 12
_NAMES = 8


def print_standings(standings: Standings, folder: Path, console: Console) -> None:
    """Prints where everything stands, and what can't be said. No title can move the cursor or colour anything."""
    for part in _parts(standings, folder):
        console.print(part, highlight=False)


def _parts(standings: Standings, folder: Path) -> Iterable[Text | Table]:
    ranking = standings.ranking
    yield Text(f"{visible(str(folder))} by {visible(standings.axis)}: {_counts(ranking)}")
    if not ranking.rated:
        yield from _how_to_vote(standings, folder)
        return
    yield _table([_line(one) for one in standings.titles], standings.axis)
    yield from map(Text, (*_claims(ranking), *_prices(standings)))
    yield from _categories(standings)


def _counts(ranking: Ranking) -> str:
    counts = ((ranking.ties, "ties"), (ranking.both_bad, "both bad"), (ranking.skipped, "skipped"))
    votes = f"{ranking.votes:,} {_plural('vote', ranking.votes)}"
    prompts = f"{ranking.prompts:,} {_plural('prompt', ranking.prompts)}"
    return ", ".join([f"{votes} on {prompts}", *(f"{count:,} {what}" for count, what in counts if count)])


def _how_to_vote(standings: Standings, folder: Path) -> Iterable[Text]:
    if len(standings.others) < 2:
        yield Text(f"There is nothing to compare: the folder has pictures of one {visible(standings.axis)} only.")
    else:
        yield Text("Nobody has said yet which is better. Open the page and vote:")
        yield Text(f"  batchgen compare {folder} --serve", no_wrap=True, overflow="ignore")


def _line(one: Standing) -> tuple[str, ...]:
    estimated = "~" if one.cost and one.cost.estimated else ""
    price = _rounded(one.cost.microusd, 3) if one.cost else None
    return (
        *_rating(one.rated),
        NONE if price is None else f"{estimated}{amount(price)}",
        NONE if price is None else f"{estimated}{amount(_rounded(one.cost_per_win_microusd, 2))}",
        span(one.ms_per_win),
    )


def _rating(one: Rated) -> tuple[str, ...]:
    return (
        f"{one.best_rank}" if one.best_rank == one.worst_rank else f"{one.best_rank}{NONE}{one.worst_rank}",
        visible(one.title),
        f"{one.rating:.0f}",
        NONE if one.low is None or one.high is None else f"{one.low:.0f}{NONE}{one.high:.0f}",
        f"{one.votes:,}",
        f"{one.wins:,}",
    )


def _table(lines: Iterable[tuple[str, ...]], axis: str, *, priced: bool = True) -> Table:
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False, header_style="bold")
    titles = [
        "rank",
        visible(axis),
        "rating",
        "95 %",
        "votes",
        "wins",
        *(["picture", "a win", "time"] if priced else []),
    ]
    for place, title in enumerate(titles):
        name = place == 1
        table.add_column(Text(title), justify="left" if name else "right", no_wrap=not name, overflow="fold")
    for line in lines:
        table.add_row(*map(Text, line))
    return table


def _claims(ranking: Ranking) -> Iterable[str]:
    """What the votes don't say."""
    few = [one.title for one in ranking.rated if one.low is None]
    if few:
        who = "" if len(few) == len(ranking.rated) else f": {_names(few)}"
        yield f"Voted on fewer than {FEWEST_PROMPTS} prompts, too few for intervals and to tell anything apart{who}."
    for group in ranking.apart:
        yield f"Compared among themselves only, so not with the others: {_names(group)}."
    for group in ranking.alike:
        if few != list(group):
            everything = len(group) == len(ranking.rated)
            yield "None of them can be told apart." if everything else f"Can't be told apart: {_names(group)}."
    if ranking.more:
        yield (
            f"About {ranking.more.votes:,} more votes, on new prompts, are likely to tell {visible(ranking.more.a)} "
            f"from {visible(ranking.more.b)}, if they differ as much as it seems."
        )
    if not ranking.bounded and not ranking.apart:
        yield "Some never lost to the others, or never won: how far they are ahead or behind is a guess."
    bad = [f"{visible(one.title)} {one.both_bad:,}" for one in ranking.rated if one.both_bad]
    if bad:
        yield f"Said to be bad, both: {', '.join(bad)}."


def _prices(standings: Standings) -> Iterable[str]:
    best = [one.rated.title for one in standings.titles if one.unbeaten]
    if best:
        yield f"Nothing is better for less than: {_names(best)}."
    unknown = [one.rated.title for one in standings.titles if one.cost is None]
    if unknown:
        yield f"Voted on, but not in this folder: {_names(unknown)}."
    if standings.others:
        yield f"Not voted on yet: {_names(standings.others)}."
    for name, count in standings.elsewhere.items():
        yield f"{count:,} more {_plural('vote', count)} on {visible(name)}: see --axis {visible(name)}."


def _categories(standings: Standings) -> Iterable[Text | Table]:
    by = visible(standings.by or "")
    for value, ranking in list(standings.categories.items())[:_CATEGORIES]:
        yield Text(f"\n{by} = {visible(value)}: {_counts(ranking)}", style="bold")
        yield _table(map(_rating, ranking.rated), standings.axis, priced=False)
        yield from map(Text, _claims(ranking))
    hidden = len(standings.categories) - _CATEGORIES
    if hidden > 0:
        yield Text(f"\n… and {hidden:,} more values of {by} with --json")
    if standings.uncategorised:
        count = standings.uncategorised
        yield Text(f"\nOf {count:,} {_plural('vote', count)} the folder doesn't know the {by}.")


def _rounded(amount_microusd: int | None, figures: int) -> int | None:
    """So many figures of an amount that is a mean."""
    if not amount_microusd:
        return amount_microusd
    return round(amount_microusd, figures - 1 - math.floor(math.log10(amount_microusd)))


def _names(titles: Iterable[str]) -> str:
    shown = [visible(title) for title in titles]
    rest = len(shown) - _NAMES
    return ", ".join(shown[:_NAMES]) + (f" and {rest:,} more" if rest > 0 else "")


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
