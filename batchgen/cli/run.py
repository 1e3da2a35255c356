"""``batchgen run``: runs or resumes a manifest."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli import completion
from batchgen.cli.shared_options import Again, Job, JobOptions, NightBudget, Out, read_night_budget, with_job_options
from batchgen.errors import Together, UsageError, nearest

if TYPE_CHECKING:
    from batchgen.commands.run import RunResult
    from batchgen.running.events import Listener
    from batchgen.running.schedule.selection import Selection


@with_job_options
def run(
    job: Job,
    *,
    options: JobOptions,
    out: Out = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="Send only the first N of the requests to be sent."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only", metavar="AXIS=VALUE", autocompletion=completion.only, help="Only requests with this value."
        ),
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(
            "--retry",
            metavar="STATE",
            autocompletion=completion.one_of(completion.states),
            help="Send requests again that are refused, spoiled, doubt or missing (pays again).",
        ),
    ] = None,
    again: Again = None,
    canary: Annotated[
        int,
        typer.Option(
            "--canary", metavar="N", min=0, help="Send N requests first; the others only if all N are stored."
        ),
    ] = 0,
    deadline: Annotated[
        str | None,
        typer.Option(
            "--deadline",
            metavar="TIME",
            help="Send nothing after a time of day, such as 05:30, or a span, such as 90m.",
        ),
    ] = None,
    max_failures: Annotated[
        str | None,
        typer.Option(
            "--max-failures",
            metavar="N|P%",
            help="Stop after N failed requests, or when P% of those that ended have failed.",
        ),
    ] = None,
    night_budget: NightBudget = None,
    wait_for_budget: Annotated[
        bool,
        typer.Option(
            "--wait-for-budget",
            help="When the budget is used up, wait for `batchgen ctl FOLDER budget USD` instead of ending.",
        ),
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="At the end, take away the names of pictures that the manifest no longer asks for."
        ),
    ] = False,
    on_finish: Annotated[
        str | None,
        typer.Option("--on-finish", metavar="COMMAND", help="Run this at the end, with the summary on its stdin."),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            "--webhook", metavar="URL", envvar="BATCHGEN_WEBHOOK", help="POST the summary to this address at the end."
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Never repeat a request whose outcome is unknown.")] = False,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", help="Start even if it is more than 10,000 requests or $50, or if pictures belong to no request."
        ),
    ] = False,
    spill_dir: Annotated[
        Path | None,
        typer.Option(
            "--spill-dir",
            metavar="DIR",
            exists=True,
            file_okay=False,
            writable=True,
            help="A folder on another disk, for paid pictures that the run folder's disk can't take.",
        ),
    ] = None,
    force_unlock: Annotated[
        str | None,
        typer.Option(
            "--force-unlock", metavar="HOST", help="Take over the folder from HOST, a machine that is surely dead."
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write events as JSON lines to stdout.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but warnings, mistakes, and the line for a log.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Also write a line for each request that ends or is tried again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", "-n", help="Show what `batchgen plan` shows, and send nothing.")
    ] = False,
) -> None:
    """Run a manifest, or resume it: what is stored is never bought again.

    Ctrl-C once finishes the requests under way; twice abandons them.
    """
    if dry_run:
        _show_plan(job, options, out, night_budget, again, left_out=bool(limit or only or retry))
        return
    if quiet and verbose:
        raise UsageError("--quiet and --verbose are opposites; leave out one of them")
    from batchgen.cli.collector import collecting_seldom
    from batchgen.cli.notify import notifying
    from batchgen.commands.job import folder_of
    from batchgen.commands.run import run as run_manifest
    from batchgen.running.options import Options
    from batchgen.running.schedule.selection import Selection
    from batchgen.running.schedule.stop_rules import Bounds, read_deadline, read_max_failures

    with notifying(command=on_finish, webhook=webhook, name=Path(job).stem) as notifier:
        together = Together()
        states = together.each(_again, retry or ())
        chosen = together.each(_only, only or ())
        stop_at = together.each(read_deadline, deadline)
        most_failures = together.each(read_max_failures, max_failures)
        night_microusd = together.each(read_night_budget, night_budget)
        with together.noted():
            manifest = options.read(job)
            part = f" {manifest.shard}" if manifest.shard else ""
            notifier.folder, notifier.name = folder_of(manifest, out), f"{manifest.name}{part}"
        together.refuse()
        how = Options(
            selection=replace(states or Selection(), limit=limit, only=chosen),
            again=tuple(again or ()),
            strict=strict,
            confirmed=yes,
            bounds=Bounds(stop_at, most_failures, canary),
            night_microusd=night_microusd,
            waits_for_budget=wait_for_budget,
            prune=prune,
            spill=spill_dir,
            force_unlock=force_unlock,
        )
        heard = _listener(as_json=json, quiet=quiet, verbose=verbose)
        with heard as told, collecting_seldom(told) as listen:
            ended = run_manifest(manifest, folder=out, options=how, listen=listen)
        if not json and not quiet:
            _show(ended)
        text = notifier.ended(ended.exit_code, ended.reason, ended.counts)
        _end(ended, text, as_json=json)
    raise typer.Exit(ended.exit_code)


def _show_plan(
    job: Path,
    options: JobOptions,
    out: Path | None,
    night_budget: str | None,
    again: Sequence[str] | None,
    *,
    left_out: bool,
) -> None:
    from batchgen.cli.plan import show_plan

    if left_out:
        raise UsageError("--dry-run shows the whole plan: leave out --limit, --only and --retry")
    night_microusd = None if night_budget is None else read_night_budget(night_budget)
    show_plan(options.read(job), out=out, night_microusd=night_microusd, again=again or ())


def _end(ended: RunResult, text: str, *, as_json: bool) -> None:
    """Write the last line for programs, or the dated line for a log, and the folder to stdout."""
    if as_json:
        from batchgen.cli.jsonlines import write_ending

        write_ending(ended, text)
    else:
        sys.stdout.write(f"{ended.folder}\n")
        # Where both streams go to one log, the dated line is its last.
        sys.stdout.flush()
        sys.stderr.write(f"{text}\n")


def _again(words: Sequence[str]) -> Selection:
    from batchgen.request import State
    from batchgen.running.schedule.selection import Selection

    states = {"refused": State.REFUSED, "spoiled": State.SPOILED, "doubt": State.DOUBT}
    known = (*states, "missing")
    for word in words:
        if word not in known:
            hint = nearest(word, known) or f"one of {', '.join(known)}"
            raise UsageError(f"--retry {word!r}: there is no such state; {hint}")
    return Selection(again=frozenset(states[word] for word in words if word in states), missing="missing" in words)


def _only(words: Sequence[str]) -> dict[str, str] | None:
    chosen: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if not name or not value:
            raise UsageError(f"--only {word!r}: write --only NAME=VALUE")
        if name in chosen:
            raise UsageError(f"--only {word!r}: {name!r} is {chosen[name]!r} already; a run takes one value of each")
        chosen[name] = value
    return chosen or None


@contextmanager
def _listener(*, as_json: bool, quiet: bool, verbose: bool) -> Iterator[Listener]:
    if as_json:
        from batchgen.cli.jsonlines import write_event

        yield write_event
        return
    from batchgen.cli import run_listeners
    from batchgen.cli.progress import progress_bar

    if quiet:
        yield run_listeners.quiet
        return
    with run_listeners.verbose() if verbose else progress_bar() as listen:
        yield listen


def _show(ended: RunResult) -> None:
    """Show people the report and how the run ended."""
    from rich.console import Console

    from batchgen.cli.reason_text import orphan_lines
    from batchgen.cli.result_text import ending

    if ended.report is not None:
        from batchgen.report import print_report

        print_report(ended.report, Console(stderr=True))
    sys.stderr.write("\n".join([*orphan_lines(ended.orphans if ended.report else None), ending(ended)]) + "\n")
