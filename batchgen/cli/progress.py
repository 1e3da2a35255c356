"""A run for people, on stderr: bars that stay in their places on a terminal, a line now and then anywhere else."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Never

from tqdm import tqdm

from batchgen.cli import progress_text
from batchgen.cli.console import show_count
from batchgen.cli.plan_reading import ReadingLine
from batchgen.cli.progress_text import BarLine
from batchgen.money import dollars
from batchgen.running.events import (
    Event,
    FinalStep,
    InputsDecoded,
    Listener,
    Notice,
    PlanReading,
    Progress,
    Started,
    Stopping,
)
from batchgen.wording import counted, visible

DRAWN_EVERY_S = 0.5
# Logs of nights are read in the morning: a line a minute is enough, and a short run says nothing.
WRITTEN_EVERY_S = 60.0


@contextmanager
def progress_bar() -> Iterator[Listener]:
    """Yield a listener that draws on stderr, or writes lines if stderr is no terminal that can be drawn on."""
    if not can_draw():
        yield _Lines(for_people=sys.stderr.isatty()).hear
        return
    bars = _Bars()
    try:
        yield bars.hear
    finally:
        bars.close()


def can_draw() -> bool:
    """Return whether stderr is a terminal whose cursor can be moved."""
    return sys.stderr.isatty() and os.environ.get("TERM", "") not in {"dumb", "unknown"}


class Screen:
    """Lines on stderr that are drawn again in place, each with a bar in it or none."""

    def __init__(self) -> None:
        self._bars: list[tqdm[Never]] = []
        self._drawn: list[tuple[BarLine, int]] = []

    @staticmethod
    def size() -> tuple[int, int]:
        """Return columns and rows; the last column stays free, since some terminals wrap there."""
        columns, rows = shutil.get_terminal_size()
        return columns - 1, rows

    def draw(self, lines: Sequence[BarLine]) -> None:
        """Draw ``lines`` over those that were drawn before; lines that did not change are left alone."""
        width, rows = self.size()
        for place, line in enumerate(lines[: max(1, rows - 1)]):
            if place < len(self._bars):
                if self._drawn[place] != (line, width):
                    self._update(self._bars[place], line, width)
                    self._drawn[place] = line, width
                continue
            self._bars.append(
                tqdm(
                    total=line.total or 1,
                    initial=line.done,
                    file=sys.stderr,
                    position=place,
                    leave=True,
                    bar_format=_format(line),
                    ncols=width,
                    nrows=rows,
                )
            )
            self._drawn.append((line, width))
        for place in range(len(lines), len(self._bars)):
            self._update(self._bars[place], BarLine(""), width)

    def close(self) -> None:
        """Leave all lines but the last one, the reason for waiting, where they are."""
        if not self._bars:
            return
        *bars, last = self._bars
        self._update(last, BarLine(""), self.size()[0])
        for bar in bars:
            bar.close()
        last.leave, last.pos = False, 0
        last.close()
        self._bars = []

    @staticmethod
    def write(text: str) -> None:
        """Write a line above those that are drawn."""
        tqdm.write(text, file=sys.stderr)

    @staticmethod
    def _update(bar: tqdm[Never], line: BarLine, width: int) -> None:
        bar.bar_format, bar.total, bar.n, bar.ncols = _format(line), line.total or 1, line.done, width
        bar.refresh()


def _format(line: BarLine) -> str:
    bar = "{bar}" if line.has_bar else ""
    # An empty format would be tqdm's own.
    return f"{literal(line.left)}{bar}{literal(line.right)}" or " "


def literal(text: str) -> str:
    """Return ``text`` as tqdm's formats want it, to be shown as it is."""
    return text.replace("{", "{{").replace("}", "}}")


class _Bars:
    def __init__(self) -> None:
        self._screen = Screen()
        self._drawn_at = -DRAWN_EVERY_S
        self._progress: Progress | None = None
        self._step = ""
        self._reading = ReadingLine()

    def hear(self, event: Event) -> None:
        if isinstance(event, PlanReading):
            self._reading.tell(event.requests)
            return
        self._reading.clear()
        match event:
            case InputsDecoded(done, wanted):
                show_count("input pictures decoded", done, wanted)
            case Progress():
                self._progress = event
                self._draw()
            case FinalStep():
                changed = step_text(event) != self._step and not event.done
                self._step = step_text(event)
                self._draw(now=changed)
            case _:
                for line in news(event):
                    self._screen.write(line)

    def close(self) -> None:
        self._reading.clear()
        self._draw(now=True)
        self._screen.close()

    def _draw(self, *, now: bool = False) -> None:
        at = time.monotonic()
        if self._progress is None or (not now and at - self._drawn_at < DRAWN_EVERY_S):
            return
        self._drawn_at = at
        width, rows = self._screen.size()
        self._screen.draw(progress_text.lines(self._progress, width=width, rows=rows, step=self._step))


class _Lines:
    """Lines of text: notices at once, progress once a minute, and to people at a terminal that they can stop."""

    def __init__(self, *, for_people: bool) -> None:
        self._for_people = for_people
        self._written_at = time.monotonic()
        self._is_long = False
        self._steps: set[str] = set()

    def hear(self, event: Event) -> None:
        match event:
            case Progress():
                if time.monotonic() - self._written_at >= WRITTEN_EVERY_S:
                    self._written_at, self._is_long = time.monotonic(), True
                    self._write(progress_text.summary(event))
            case FinalStep(name):
                if self._is_long and name not in self._steps:
                    self._steps.add(name)
                    self._write(step_text(event))
            case Notice():
                self._write(*news(event))
            case _ if self._for_people:
                self._write(*news(event))
            case _:
                pass

    @staticmethod
    def _write(*lines: str) -> None:
        for line in lines:
            sys.stderr.write(f"{line if line.startswith('batchgen: ') else f'batchgen: {line}'}\n")


def step_text(step: FinalStep) -> str:
    """Return ``after the last answer: looking at new pictures, 120 of 300``."""
    count = f", {step.done:,} of {step.total:,}" if step.total else ""
    return f"after the last answer: {step.name}{count}"


def news(event: Event) -> list[str]:
    """Return what is written of an event that is no progress."""
    match event:
        case Started():
            return _started(event)
        case Stopping(reason, in_flight, at_stake_microusd):
            return [f"stopping: {visible(reason)}", _waited_for(in_flight, at_stake_microusd)]
        case Notice(message):
            return [f"batchgen: {visible(message)}"]
        case _:
            return []


def _started(started: Started) -> list[str]:
    said = []
    if started.simulated:
        said.append("simulated: no real money is spent")
    if started.finishing:
        paid = counted(started.finishing, "answer that was paid for earlier", "answers that were paid for earlier")
        said.append(f"finishing {paid}")
    if started.balance_microusd is not None and started.balance_microusd < started.expected_microusd:
        said.append(
            f"the account holds {dollars(started.balance_microusd)}, and some {dollars(started.expected_microusd)} "
            "are still to be spent: the run will stop when the balance is used up"
        )
    return said


def _waited_for(in_flight: int, at_stake_microusd: int) -> str:
    stake = f" ({dollars(at_stake_microusd)} at stake)" if at_stake_microusd else ""
    abandoned = "it" if in_flight == 1 else "them"
    return f"waiting for {counted(in_flight, 'request')} under way{stake}; Ctrl-C again abandons {abandoned}"
