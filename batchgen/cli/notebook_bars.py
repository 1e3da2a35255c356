"""A run in a notebook: a bar for each model and one for all, or a line of text without Jupyter's widgets."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Never

from tqdm import tqdm

from batchgen.cli import progress, progress_text
from batchgen.cli.progress import DRAWN_EVERY_S, literal, news, step_text
from batchgen.running.events import Event, FinalStep, LaneProgress, Listener, Progress
from batchgen.wording import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# A line of text, where there are no widgets.
_COLUMNS = 100


@contextmanager
def progress_bar() -> Iterator[Listener]:
    """Yield a listener that shows a run: bars below the cell in a notebook, else what the command line shows."""
    if not is_notebook():
        with progress.progress_bar() as listen:
            yield listen
        return
    bars = NotebookBars()
    try:
        yield bars.hear
    finally:
        bars.close()


def is_notebook() -> bool:
    """Return whether this program is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config


class NotebookBars:
    """The bars of one run, made when it first tells of its progress."""

    def __init__(self) -> None:
        self._bar, self._has_widgets = _kind()
        self._bars: dict[str, tqdm[Never]] = {}
        self._drawn_at = -DRAWN_EVERY_S
        self._progress: Progress | None = None
        self._step = ""

    def hear(self, event: Event) -> None:
        match event:
            case Progress():
                self._progress = event
                self._draw()
            case FinalStep():
                self._step = step_text(event)
                self._draw(now=not event.done)
            case _:
                for line in news(event):
                    sys.stderr.write(f"{line}\n")

    def close(self) -> None:
        """Leave the bars as they are."""
        self._step = ""
        self._draw(now=True)
        for bar in self._bars.values():
            bar.close()

    def _draw(self, *, now: bool = False) -> None:
        at = time.monotonic()
        if self._progress is None or (not now and at - self._drawn_at < DRAWN_EVERY_S):
            return
        self._drawn_at = at
        for name, words, done, total in self._lines(self._progress):
            self._show(name, words, done, total)

    def _lines(self, told: Progress) -> Iterator[tuple[str, str, int, int]]:
        """Yield name, words, done and total of each bar; one bar is enough for one model."""
        if self._has_widgets and len(told.lanes) > 1:
            for lane in told.lanes:
                yield visible(lane.model), _words(lane), lane.done, lane.total
        done = min(told.total, told.done_before + sum(told.ended.values()))
        yield "all", self._step or progress_text.summary(told), done, told.total

    def _show(self, name: str, words: str, done: int, total: int) -> None:
        form = f"{literal(name)} {{bar}} {literal(words)}"
        bar = self._bars.get(name)
        if bar is None:
            width = None if self._has_widgets else _COLUMNS
            self._bars[name] = self._bar(
                total=max(1, total), initial=done, bar_format=form, file=sys.stderr, ncols=width
            )
            return
        bar.bar_format, bar.total, bar.n = form, max(1, total), done if total else 1
        bar.refresh()


def _kind() -> tuple[Callable[..., tqdm[Never]], bool]:
    """Return the bar that ``tqdm.auto`` takes in a notebook, without its warning, and whether it is one of widgets."""
    if find_spec("ipywidgets") is None:
        return tqdm, False
    from tqdm.notebook import tqdm_notebook

    return tqdm_notebook, True


def _words(lane: LaneProgress) -> str:
    parts = (
        f"{lane.done:,}/{lane.total:,}",
        f"{lane.in_flight} of {lane.allowed} under way" if lane.done < lane.total else "",
        progress_text.rate(lane.rate_per_s if lane.done < lane.total else None),
        f"p50 {lane.p50_s:.1f} s" if lane.p50_s is not None else "",
        f"{lane.failed:,} failed" if lane.failed else "",
        lane.state,
    )
    return " · ".join(filter(None, parts))
