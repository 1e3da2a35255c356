"""How much a run says while it goes on: nothing but news, what everybody sees, or a line for each request."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from batchgen.cli.progress import Screen, news, progress_bar
from batchgen.cli.progress_text import span
from batchgen.money import dollars
from batchgen.request import State
from batchgen.running.events import Ended, Event, Listener, Notice, Retrying, Stopping
from batchgen.wording import visible


def quiet(event: Event) -> None:
    """Write what a person has to know even so: notices, and that the run is stopping."""
    if isinstance(event, Notice | Stopping):
        sys.stderr.writelines(f"{line}\n" for line in news(event))


@contextmanager
def verbose() -> Iterator[Listener]:
    """Yield a listener that shows progress and, above it, a line for each request that ends or is tried again."""
    with progress_bar() as listen:

        def hear(event: Event) -> None:
            if isinstance(event, Ended | Retrying):
                Screen.write(_line(event))
            listen(event)

        yield hear


def _line(event: Ended | Retrying) -> str:
    """Return ``9f3c21ab openai/gpt-image-1 stored images/a.png $0.04``, or what went wrong and what comes of it."""
    who = f"{event.key[:8]} {visible(event.model)}"
    if isinstance(event, Retrying):
        return f"{who} again in {span(event.wait_s)}: {_why(event.reason, event.message)}"
    paid = f" {dollars(event.billed_microusd)}" if event.billed_microusd else ""
    if event.state is State.STORED:
        return f"{who} stored {visible(event.file or '')}{paid}"
    return f"{who} {event.state}{paid}: {_why(event.reason, event.message)}"


def _why(reason: str | None, message: str | None) -> str:
    return visible(": ".join(filter(None, (reason, message))) or "no reason was given")
