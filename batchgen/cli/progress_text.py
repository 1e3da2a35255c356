"""What a run looks like at one moment, as lines of a given width: for the run's own terminal, and for others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from batchgen.money import dollars
from batchgen.request import State
from batchgen.running.events import LaneProgress, Progress, Wait
from batchgen.wording import counted, visible

# Fewer columns than this are taken for a window on its way to another size.
_NARROWEST = 40
_SHORTEST_BAR = 5
_LONGEST_BAR = 30
_SHORTEST_NAME = 12


@dataclass(frozen=True, slots=True)
class BarLine:
    """A line with a bar in it: the text on both sides, and how much of the bar is full. Without a bar, ``left`` is all.

    Widths don't change while numbers do, so nothing in a line moves.
    """

    left: str
    right: str = ""
    done: int = 0
    total: int = 0

    @property
    def has_bar(self) -> bool:
        return self.total > 0


def lines(progress: Progress, *, width: int, rows: int, step: str = "") -> list[BarLine]:
    """Return a heading, a line for each model, a total, and the reason for waiting: for ``rows`` lines at most.

    The number of lines is the same all through a run. ``step`` is what the run does after its last answer.
    """
    width = max(width, _NARROWEST)
    shown = progress.lanes[: max(1, rows - 4)] if len(progress.lanes) > 1 else ()
    table = _Table(progress.lanes, width)
    found = [table.heading(), *map(table.line, shown)] if shown else []
    hidden = len(progress.lanes) - len(shown) if shown else 0
    return [*found, _total(progress, width), BarLine(_cut(step or _reason(progress, hidden), width))]


def summary(progress: Progress) -> str:
    """Return all of it in one line, for logs."""
    done = progress.done_before + sum(progress.ended.values())
    parts = [f"{done:,}/{progress.total:,} done", spend(progress)]
    if failed := failures(progress):
        parts.append(f"{failed:,} failed")
    if rated := rate(progress.rate_per_s):
        parts.append(rated)
    said = " · ".join([*parts, eta_text(progress)])
    reason = _reason(progress, 0)
    return f"{said}; {reason}" if reason else said


class _Table:
    """The columns that fit into a width; what matters least is left out first."""

    def __init__(self, lanes: Sequence[LaneProgress], width: int) -> None:
        count = max((len(f"{lane.total:,}") for lane in lanes), default=1)
        # Title, width, and how early the column goes if there is no room.
        columns = [("done", 2 * count + 1, 0), ("flight", 7, 2), ("rate", 9, 4), ("p50", 6, 5), ("failed", 6, 3)]
        self._columns = [*columns, ("state", 13, 1)]
        room = width - _SHORTEST_NAME - 1 - _SHORTEST_BAR
        while sum(1 + size for _, size, _ in self._columns) > room and len(self._columns) > 1:
            self._columns.remove(max(self._columns, key=lambda column: column[2]))
        spare = width - sum(1 + size for _, size, _ in self._columns) - 1
        longest = max((len(visible(lane.model)) for lane in lanes), default=0)
        self._name = max(_SHORTEST_NAME, min(max(longest, 5), spare - _SHORTEST_BAR - 1))
        self._bar = spare - self._name

    def heading(self) -> BarLine:
        titles = "".join(f" {title:<{size}}" if title == "state" else f" {title:>{size}}" for title, size in self._each)
        return BarLine(f"{'model':<{self._name}} {' ' * self._bar}{titles}".rstrip())

    def line(self, lane: LaneProgress) -> BarLine:
        cells = {
            "done": f"{lane.done:,}/{lane.total:,}",
            "flight": f"{lane.in_flight}/{lane.allowed}",
            "rate": rate(lane.rate_per_s if lane.done < lane.total else None),
            "p50": f"{lane.p50_s:.1f} s" if lane.p50_s is not None else "",
            "failed": f"{lane.failed:,}" if lane.failed else "",
            "state": lane.state,
        }
        right = "".join(
            f" {cells[title]:<{size}}" if title == "state" else f" {cells[title]:>{size}}" for title, size in self._each
        )
        return BarLine(f"{_tail(lane.model, self._name):<{self._name}} ", right, lane.done, max(1, lane.total))

    @property
    def _each(self) -> list[tuple[str, int]]:
        return [(title, size) for title, size, _ in self._columns]


def _total(progress: Progress, width: int) -> BarLine:
    done = min(progress.total, progress.done_before + sum(progress.ended.values()))
    share = done / progress.total if progress.total else 1.0
    room = width - 5 - _SHORTEST_BAR
    failed = failures(progress)
    words = [spend(progress), f"{failed:,} failed" if failed else "", rate(progress.rate_per_s)]
    while True:
        right = f" {' · '.join([f'{done:,}/{progress.total:,}', *filter(None, words), eta_text(progress)])}"
        if len(right) <= room or not words:
            break
        # What the other lines say too is left out first.
        words.pop()
    # Padded to a round width: the bar keeps its length while amounts grow.
    padded = right.ljust(min(room, max(width - 5 - _LONGEST_BAR, len(right)))) if len(right) <= room else right[:room]
    return BarLine(f"{int(100 * share):3d}% ", padded, done, max(1, progress.total))


def spend(progress: Progress) -> str:
    """Return ``$0.73 of $60.00``."""
    spent = dollars(progress.billed_microusd + progress.estimated_microusd)
    return f"{spent} of {dollars(progress.budget_microusd)}" if progress.budget_microusd is not None else spent


def failures(progress: Progress) -> int:
    """Return how many requests ended without a picture in this run."""
    return sum(count for state, count in progress.ended.items() if state is not State.STORED)


def rate(per_s: float | None) -> str:
    """Return ``184/min`` or ``12.4/s``; nothing for no rate."""
    if not per_s:
        return ""
    return f"{per_s:.1f}/s" if per_s >= 10 else f"{per_s * 60:.0f}/min" if per_s >= 1 / 60 else f"{per_s * 3600:.1f}/h"


def eta_text(progress: Progress) -> str:
    """Return ``ETA 12 min``; without an estimate, why there is none."""
    if progress.done_before + sum(progress.ended.values()) >= progress.total:
        return "done"
    if progress.eta_s is not None:
        return f"ETA {span(progress.eta_s)}"
    states = {lane.state for lane in progress.lanes}
    held = next((state for state in ("out of budget", "paused") if state in states), None)
    return f"ETA unknown ({held})" if held else "ETA …"


def span(seconds: float) -> str:
    """Return a span as people say it, no finer than it is known: ``40 s``, ``12 min``, ``3 h 20 min``."""
    if seconds < 10:
        return f"{max(0, round(seconds))} s"
    if seconds < 90:
        return f"{round(seconds / 5) * 5} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, rest = divmod(round(minutes / 10) * 10, 60)
    return f"{hours} h {rest} min" if rest and hours < 24 else f"{hours} h"


def wait_text(wait: Wait) -> str:
    """Return why requests wait: the reason first, which a narrow line must not cut."""
    wait_s = f", {span(wait.wait_s)}" if wait.wait_s >= 1 else ""
    who = f" to {visible(wait.model)}" if wait.model else ""
    return f"{visible(wait.reason)}{wait_s}: {counted(wait.count, 'request')}{who}"


def _reason(progress: Progress, hidden: int) -> str:
    waits = sorted(progress.waits, key=lambda wait: (wait.model != "", -wait.count))
    said = f"waits: {wait_text(waits[0])}" if waits else ""
    if len(waits) > 1:
        said += f" (+{len(waits) - 1})"
    more = f"{counted(hidden, 'more model')} not shown" if hidden else ""
    return "; ".join(filter(None, [more, said]))


def _tail(text: str, width: int) -> str:
    """Return the end of a model's name, which tells it from its relatives."""
    shown = visible(text)
    return shown if len(shown) <= width else f"…{shown[1 - width :]}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"
