"""``batchgen ctl``: steers a run that goes on, from another terminal."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batchgen.cli import completion
from batchgen.cli.shared_options import Folder
from batchgen.errors import ExitCode


def ctl(
    folder: Folder,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="WHAT",
            show_default=False,
            autocompletion=completion.instructions,
            help="concurrency N [MODEL], rate N/s [MODEL], budget USD, pause [MODEL], resume [MODEL], park MODEL, or "
            "drain. MODEL may be a glob, such as 'openai/*'.",
        ),
    ],
    *,
    wait: Annotated[
        float, typer.Option("--wait", metavar="S", min=0, help="How long to wait for the run's answer.")
    ] = 10.0,
) -> None:
    """Steer a run that goes on: limits, budget, pause, drain. Nothing in flight is cancelled, and nothing outlives it.

    A paused model waits for `resume`; a parked one is left for the next run; `drain` ends the run once everything
    under way has landed.
    """
    from batchgen.cli.console import say
    from batchgen.commands.ctl import control_run
    from batchgen.wording import visible

    acknowledged = control_run(folder, words, within_s=wait)
    if acknowledged is None:
        say(f"written; the run has not answered yet. `batchgen status {folder}` shows its answer")
        raise typer.Exit(ExitCode.FAILURES)
    sys.stdout.write(f"{visible(acknowledged.outcome)}\n")
