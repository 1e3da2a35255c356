"""``batchgen choose``: which take of a stored request its name shows."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli import completion
from batchgen.cli.shared_options import Folder

if TYPE_CHECKING:
    from batchgen.store.ledger.takes import Take


def choose(
    folder: Folder,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME|KEY",
            show_default=False,
            autocompletion=completion.shown_names,
            help="A picture's name, or its request's key.",
        ),
    ],
    take: Annotated[
        int | None,
        typer.Argument(metavar="TAKE", min=1, show_default=False, help="A take's number; without it, all are listed."),
    ] = None,
) -> None:
    """Say which of its takes a name shows; nothing is sent or paid, and no later run changes it.

    Takes are the pictures that `batchgen run JOB --again NAME` bought, and the first one; all of them are kept. Without
    TAKE, they are listed with what each cost.
    """
    from batchgen.commands import choose as command

    if take is None:
        sys.stdout.writelines(f"{line}\n" for line in takes_lines(command.takes_of(folder, name)))
        return
    chosen = command.choose(folder, name, take)
    said = "shows" if chosen.changed else "shows already"
    for file in chosen.files:
        sys.stderr.write(f"{file} {said} take {chosen.number} of {len(chosen.takes)}\n")
    sys.stdout.writelines(f"{folder / file}\n" for file in chosen.files)


def takes_lines(takes: Sequence[Take]) -> list[str]:
    """Return a line for each take: its number, when it was answered, what it cost, and its files."""
    from batchgen.money import dollars
    from batchgen.store.ledger.records import timestamp

    lines = []
    for one in takes:
        cost_microusd = one.billed_microusd + one.estimated_microusd
        about = "≈ " if one.estimated_microusd else ""
        when = timestamp(one.answered_ms) or "unknown"
        files = " ".join(f".batchgen/pictures/{original}" for original in one.originals)
        shown = " (shown)" if one.shown else ""
        lines.append(f"take {one.number}{shown}: {about}{dollars(cost_microusd)}, {when}, {files}")
    return lines
