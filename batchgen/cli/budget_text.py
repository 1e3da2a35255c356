"""What budgets are still enough for, and which pictures are gone, as text for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from batchgen.money import dollars
from batchgen.wording import counted, visible

if TYPE_CHECKING:
    from batchgen.commands.plan import BudgetLeft, Outlook


def budget_lines(outlook: Outlook) -> Iterator[str]:
    """Return ``$0.19 left tonight: enough for 3 of 5, the next night starts at 14:54``, and the same for the folder."""
    new = outlook.forecast.new
    if not new or outlook.forecast.unpriced:
        return
    for left in outlook.budgets:
        if left.enough < new:
            yield f"{_left(left)}: enough for {left.enough:,} of {new:,}{_way_out(left)}"
        else:
            yield f"{_left(left)}: enough" + (f" for all {new:,}" if new > 1 else "")


def gone_line(gone: Sequence[str], *, restores: bool) -> str:
    """Return which pictures are gone from ``images/``, and what the next run does about that."""
    one, first = len(gone) == 1, visible(gone[0])
    what = f"{first} is" if one else f"{counted(len(gone), 'file')}, such as {first}, are"
    it = "it" if one else "them"
    then = f"the next run makes {it} again" if restores else f"deleted by hand; `batchgen restore` brings {it} back"
    return f"{what} gone: {then}, free"


def _left(left: BudgetLeft) -> str:
    if left.night:
        return f"{dollars(left.left_microusd)} left tonight"
    return f"{dollars(left.left_microusd)} left of the budget of {dollars(left.cap_microusd)}"


def _way_out(left: BudgetLeft) -> str:
    if not left.night:
        return "; --budget, or limits.budget_usd, raises it"
    if left.ends_ms is None:
        return ", the rest waits for the next night"
    # Local time, as that of a deadline.
    return f", the next night starts at {datetime.fromtimestamp(left.ends_ms / 1000, UTC).astimezone():%H:%M}"
