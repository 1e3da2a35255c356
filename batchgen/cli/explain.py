"""``batchgen explain``: why a request would be sent, or not."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Job, JobOptions, Out, with_job_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchgen.planning.reasons import Explained
    from batchgen.store.ledger.takes import Take


@with_job_options
def explain(
    job: Job,
    key: Annotated[
        str,
        typer.Argument(metavar="KEY", show_default=False, help="A request's key, its beginning, or a row's number."),
    ],
    *,
    options: JobOptions,
    out: Out = None,
) -> None:
    """Say why a request would be sent, and how it differs from the most similar one that was bought. Sends nothing."""
    from batchgen.cli.console import say
    from batchgen.commands import explain as command
    from batchgen.planning.explaining import MOST

    found = command.explain(options.read(job), key, folder=out, notice=lambda text: say(f"note: {text}"))
    for one in found[:MOST]:
        sys.stdout.write("\n".join([*_lines(one.explained), *_takes(one.takes)]) + "\n")
    if len(found) > MOST:
        say(f"row {key.strip()} makes more than these {MOST} requests; name another one by its key")


def _lines(one: Explained) -> list[str]:
    from batchgen.cli.reason_text import difference
    from batchgen.wording import visible

    request = one.request
    prompt = visible(request.parameters.get("prompt", ""))
    heading = f"{request.key} row {request.row}, repeat {request.repeat}, {visible(request.model)}"
    # Without the axes, requests of a sweep that share a prompt look the same.
    axes = "".join(f"  {visible(name)}={visible(value)}" for name, value in request.axes.items() if name != "model")
    lines = [heading, f'  "{prompt}"', *([axes] if axes else []), f"  {_meaning(one)}"]
    if one.relative is not None:
        lines += [f"    {difference(found)}" for found in one.relative.differences]
    return lines


def _takes(takes: Sequence[Take]) -> list[str]:
    """Return the takes of a request that has several."""
    from batchgen.cli.choose import takes_lines

    return [f"    {line}" for line in takes_lines(takes)] if len(takes) > 1 else []


def _meaning(one: Explained) -> str:
    from batchgen.planning.reasons import Reason

    relative = f"{one.relative.key[:8]}" if one.relative else ""
    if one.reason is Reason.NEW and relative:
        return f"new: no similar request was bought; the nearest one is {relative}, which differs in"
    return {
        Reason.NEW: "new: nothing was bought in this folder yet",
        Reason.CHANGED: f"changed: it replaces {relative}, from which it differs in",
        Reason.DONE: "done: it is stored, and is not bought again",
        Reason.PAID: "paid for, but not on disk yet: the next run finishes it without paying",
        Reason.WAITING: "waiting: its last attempt was not billed, and the next run sends it again",
        Reason.REFUSED: "refused: it is sent again with --retry refused, or when it changes",
        Reason.SPOILED: "spoiled: billed, but nothing usable came back; --retry spoiled pays again",
        Reason.DOUBT: "in doubt: it may have been billed; --retry doubt may pay again",
    }[one.reason]
