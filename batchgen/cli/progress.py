"""A run for people: one line with its progress, cost and longest wait; nothing is drawn if stderr is no terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Never

from tqdm import tqdm

from batchgen.cli.console import show_count
from batchgen.cli.plan_reading import ReadingLine
from batchgen.money import dollars
from batchgen.request import State
from batchgen.running.events import (
    Event,
    InputsDecoded,
    Listener,
    Notice,
    PlanReading,
    Progress,
    Started,
    Stopping,
    Wait,
)
from batchgen.wording import counted, visible

# Fits 80 columns with a spend, a failure count and a wait; the bar takes what is left.
_FORMAT = "{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} {rate_fmt} ETA {remaining}{postfix}"


@contextmanager
def progress_bar() -> Iterator[Listener]:
    """Yield a listener that draws on stderr, or one that only passes notices on if stderr is no terminal."""
    if not sys.stderr.isatty():
        yield _pass_on
        return
    bar = _Bar()
    try:
        yield bar.hear
    finally:
        bar.close()


def _pass_on(event: Event) -> None:
    if isinstance(event, Notice):
        sys.stderr.write(f"batchgen: {visible(event.message)}\n")


class _Bar:
    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None
        self._budget = ""
        self._reading = ReadingLine()

    def hear(self, event: Event) -> None:
        if isinstance(event, PlanReading):
            self._reading.tell(event.requests)
            return
        self._reading.clear()
        match event:
            case InputsDecoded(done, wanted):
                show_count("input pictures decoded", done, wanted)
            case Started():
                self._start(event)
            case Progress():
                self._draw(event)
            case Stopping(reason, in_flight, at_stake_microusd):
                tqdm.write(f"stopping: {visible(reason)}", file=sys.stderr)
                tqdm.write(_waited_for(in_flight, at_stake_microusd), file=sys.stderr)
            case Notice(message):
                tqdm.write(f"batchgen: {visible(message)}", file=sys.stderr)
            case _:
                pass

    def close(self) -> None:
        self._reading.clear()
        if self._bar is not None:
            self._bar.close()

    def _start(self, started: Started) -> None:
        if started.simulated:
            tqdm.write("simulated: no real money is spent", file=sys.stderr)
        if started.finishing:
            paid = counted(started.finishing, "answer that was paid for earlier", "answers that were paid for earlier")
            tqdm.write(f"finishing {paid}", file=sys.stderr)
        if started.balance_microusd is not None and started.balance_microusd < started.expected_microusd:
            tqdm.write(
                f"the account holds {dollars(started.balance_microusd)}, and some {dollars(started.expected_microusd)} "
                "are still to be spent: the run will stop when the balance is used up",
                file=sys.stderr,
            )
        if started.budget_microusd is not None:
            self._budget = f" of {dollars(started.budget_microusd)}"
        self._bar = tqdm(
            total=started.requests,
            file=sys.stderr,
            bar_format=_FORMAT,
            dynamic_ncols=True,
            unit="",
            mininterval=0.1,
        )

    def _draw(self, progress: Progress) -> None:
        if self._bar is None:
            return
        done = progress.done_before + sum(progress.ended.values())
        # Requests of earlier runs say nothing of the rate of this one.
        self._bar.initial = progress.done_before
        self._bar.n = done
        self._bar.set_postfix_str(self._postfix(progress), refresh=True)

    def _postfix(self, progress: Progress) -> str:
        spent = progress.billed_microusd + progress.estimated_microusd
        parts = [f"{dollars(spent)}{self._budget}"]
        failed = sum(count for state, count in progress.ended.items() if state is not State.STORED)
        if failed:
            parts.append(f"{failed} failed")
        if progress.waits:
            parts.append(_wait(max(progress.waits, key=lambda wait: wait.count)))
        return " · ".join(parts)


def _waited_for(in_flight: int, at_stake_microusd: int) -> str:
    stake = f" ({dollars(at_stake_microusd)} at stake)" if at_stake_microusd else ""
    abandoned = "it" if in_flight == 1 else "them"
    return f"waiting for {counted(in_flight, 'request')} under way{stake}; Ctrl-C again abandons {abandoned}"


def _wait(wait: Wait) -> str:
    return f"{wait.count} waiting for {visible(wait.model)}, {wait.wait_s:.0f} s, {wait.reason}"
