"""The ranking on a terminal: tables of its width, with names on lines of their own if they don't fit."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from batchgen.compare.claims import claims, price_of, prices, rounded, verdict
from batchgen.compare.leaderboard import Leaderboard, LeaderboardRow
from batchgen.compare.ranking import Ranking, Rated
from batchgen.report.figures import NONE, amount, span
from batchgen.wording import counted, visible

# More than these are left to --json.
_CATEGORIES = 12

_NAME = 1
_GAP = "  "


def print_standings(standings: Leaderboard, folder: Path, console: Console, *, others: int = 0) -> None:
    """Print the leaderboard and its caveats. No title can move the cursor or colour anything.

    It is of ``folder``, or of that one and so many ``others``.
    """
    more = f" and {counted(others, 'other folder')}" if others else ""
    for part in _parts(standings, folder, more, console.width):
        # Numbers stay in line even if they don't fit; a path to be copied stays whole.
        lines = [part] if part.no_wrap else part.wrap(console, console.width, overflow="fold")
        for line in lines:
            line.rstrip()
            console.print(line, highlight=False, overflow="ignore", no_wrap=True, crop=False)


def _parts(standings: Leaderboard, folder: Path, more: str, width: int) -> Iterable[Text]:
    ranking = standings.ranking
    yield Text(f"{visible(str(folder))}{more} by {visible(standings.axis)}: {_counts(ranking)}")
    if not ranking.rated:
        yield from _how_to_vote(standings, folder)
        return
    header = ("rank", visible(standings.axis), "rating", "95 %", "votes", "wins", "a picture", "p50", "a win")
    yield from _table(header, [_line(one) for one in standings.titles], width)
    yield Text(verdict(standings), style="bold")
    yield from map(Text, (*claims(ranking), *prices(standings)))
    yield from _categories(standings, width)


def _counts(ranking: Ranking) -> str:
    said = [counted(ranking.votes, "vote")]
    if ranking.votes:
        said = [f"{said[0]} by {counted(ranking.voters, 'voter')} on {counted(ranking.prompts, 'prompt')}"]
    if ranking.ties:
        said.append(counted(ranking.ties, "tie"))
    counts = ((ranking.both_bad, "both bad"), (ranking.skipped, "skipped"))
    return ", ".join([*said, *(f"{count:,} {what}" for count, what in counts if count)])


def _how_to_vote(standings: Leaderboard, folder: Path) -> Iterable[Text]:
    if len(standings.others) < 2:
        yield Text(f"There is nothing to compare: the folder has pictures of one {visible(standings.axis)} only.")
    else:
        yield Text("No vote yet says which is better. Open the page and vote:")
        yield Text(f"  batchgen compare {shlex.quote(str(folder))} --serve", no_wrap=True)


def _line(one: LeaderboardRow) -> tuple[str, ...]:
    estimated = "~" if one.cost and one.cost.estimated else ""
    a_win = rounded(one.cost_per_win_microusd, 2)
    return (
        *_rating(one.rated),
        price_of(one),
        span(one.cost.latency_ms if one.cost else None),
        NONE if a_win is None else f"{estimated}{amount(a_win)}",
    )


def _rating(one: Rated) -> tuple[str, ...]:
    return (
        f"{one.best_rank}" if one.best_rank == one.worst_rank else f"{one.best_rank}{NONE}{one.worst_rank}",
        visible(one.title),
        f"{one.rating:.0f}",
        _interval(one.low, one.high),
        f"{one.votes:,}",
        f"{one.wins:,}",
    )


def _interval(low: float | None, high: float | None) -> str:
    if low is None:
        return NONE if high is None else f"≤ {high:.0f}"
    return f"≥ {low:.0f}" if high is None else f"{low:.0f}{NONE}{high:.0f}"


def _table(header: Sequence[str], lines: Sequence[Sequence[str]], width: int) -> Iterable[Text]:
    """Yield the header, a rule and the lines, right-justified but for the names, which may stand above the numbers."""
    above = sum(_widths([header, *lines])) + len(_GAP) * (len(header) - 1) > width
    names = [line[_NAME] for line in lines] if above else []
    if above:
        header, *lines = ([*line[:_NAME], *line[_NAME + 1 :]] for line in (header, *lines))
    widths = _widths([header, *lines])
    title = _row(header, widths, above=above)
    title.stylize("bold")
    yield title
    yield Text("─" * (sum(widths) + len(_GAP) * (len(widths) - 1)), no_wrap=True)
    for place, line in enumerate(lines):
        yield from map(Text, names[place : place + 1])
        yield _row(line, widths, above=above)


def _row(cells: Sequence[str], widths: Sequence[int], *, above: bool) -> Text:
    padded = []
    for place, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        room = " " * (width - cell_len(cell))
        padded.append(cell + room if place == _NAME and not above else room + cell)
    return Text(_GAP.join(padded), no_wrap=True)


def _widths(lines: Iterable[Sequence[str]]) -> list[int]:
    return [max(map(cell_len, column)) for column in zip(*lines, strict=True)]


def _categories(standings: Leaderboard, width: int) -> Iterable[Text]:
    by = visible(standings.by or "")
    header = ("rank", visible(standings.axis), "rating", "95 %", "votes", "wins")
    for value, ranking in list(standings.categories.items())[:_CATEGORIES]:
        yield Text(f"\n{by} = {visible(value)}: {_counts(ranking)}", style="bold")
        if ranking.rated:
            yield from _table(header, [_rating(one) for one in ranking.rated], width)
        yield from map(Text, claims(ranking))
    hidden = len(standings.categories) - _CATEGORIES
    if hidden > 0:
        yield Text(f"\n… and {counted(hidden, 'more value')} of {by} with --json")
    if standings.uncategorised:
        yield Text(f"\nThe folder doesn't know the {by} of {counted(standings.uncategorised, 'vote')}.")
