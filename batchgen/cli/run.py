"""``batchgen run``: runs or resumes a manifest."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.options import (
    Budget,
    Concurrency,
    Job,
    Model,
    Out,
    Prompt,
    Provider,
    Quality,
    Repeat,
    Set,
    Size,
    assignments,
    read_manifest,
)
from batchgen.errors import UsageError, nearest

if TYPE_CHECKING:
    from batchgen.api import RunReport
    from batchgen.request import State
    from batchgen.run.events import Listener


def run(
    job: Job,
    *,
    model: Model = None,
    size: Size = None,
    quality: Quality = None,
    settings: Set = None,
    prompt: Prompt = None,
    repeat: Repeat = None,
    provider: Provider = None,
    budget: Budget = None,
    concurrency: Concurrency = None,
    out: Out = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=1, help="Send only the first N that are to be sent.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="AXIS=VALUE", help="Only requests with this value.")
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option("--retry", metavar="STATE", help="Send again what is refused, spoiled or in doubt (pays again)."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Never repeat a request whose outcome is unknown.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Start however much it is.")] = False,
    spill_dir: Annotated[
        Path | None,
        typer.Option(
            "--spill-dir",
            metavar="DIR",
            exists=True,
            file_okay=False,
            writable=True,
            help="A folder on another disk, for paid pictures that the run folder's can't take.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Events as JSON lines on stdout.")] = False,
) -> None:
    """Run a manifest, or resume it: what is stored is never bought again.

    Ctrl-C once lets what is under way land; twice lets go of it.
    """
    from batchgen import api
    from batchgen.cli.jsonlines import write_ending
    from batchgen.run.feeder import Selection
    from batchgen.run.session import Options

    manifest = read_manifest(
        job,
        model=model,
        size=size,
        quality=quality,
        settings=settings,
        prompt=prompt,
        repeat=repeat,
        budget=budget,
        concurrency=concurrency,
        provider=provider,
    )
    options = Options(
        selection=Selection(again=_states(retry or ()), limit=limit, only=_only(only or ())),
        strict=strict,
        confirmed=yes,
        spill=spill_dir,
    )
    with _listener(as_json=json) as listen:
        ended = api.run(manifest, folder=out, options=options, listen=listen)
    if json:
        write_ending(ended)
    else:
        _show(ended)
    raise typer.Exit(ended.exit_code)


def _states(words: Sequence[str]) -> frozenset[State]:
    from batchgen.request import State

    known = {"refused": State.REFUSED, "spoiled": State.SPOILED, "doubt": State.DOUBT}
    for word in words:
        if word not in known:
            hint = nearest(word, known) or f"one of {', '.join(known)}"
            raise UsageError(f"--retry {word!r}: there is no such state; {hint}")
    return frozenset(known[word] for word in words)


def _only(words: Sequence[str]) -> dict[str, str] | None:
    return {name: ",".join(values) for name, values in assignments(words, "--only").items()} or None


@contextmanager
def _listener(*, as_json: bool) -> Iterator[Listener]:
    if as_json:
        from batchgen.cli.jsonlines import write_event

        yield write_event
        return
    from batchgen.cli.progress import progress_bar

    with progress_bar() as listen:
        yield listen


def _show(ended: RunReport) -> None:
    """The report and why it ended to people, the folder to whatever reads our output."""
    from rich.console import Console

    from batchgen.cli.endings import ending

    if ended.report is not None:
        from batchgen.report import print_report

        print_report(ended.report, Console(stderr=True))
    sys.stderr.write(f"{ending(ended)}\n")
    sys.stdout.write(f"{ended.folder}\n")
