"""``batchgen plan``: what a run would send and what it may cost; only the catalogue is fetched."""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Again, Job, JobOptions, NightBudget, Out, read_night_budget, with_job_options
from batchgen.wording import counted, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rich.console import Console
    from rich.table import Table

    from batchgen.commands.plan import Outlook, TakesPrice
    from batchgen.manifest import Manifest
    from batchgen.planning.forecast import Forecast, ModelForecast
    from batchgen.planning.reasons import Explained


@with_job_options
def plan(
    job: Job,
    *,
    options: JobOptions,
    out: Out = None,
    first: Annotated[int, typer.Option("--first", min=0, help="How many requests to show.")] = 3,
    batch_jsonl: Annotated[
        Path | None, typer.Option("--batch-jsonl", metavar="FILE", help="Write the requests as an OpenAI Batch file.")
    ] = None,
    reasons: Annotated[
        bool, typer.Option("--reasons", help="One line for every request, which says why it would be sent or not.")
    ] = False,
    night_budget: NightBudget = None,
    again: Again = None,
    json: Annotated[
        bool, typer.Option("--json", help="Write one JSON object to stdout; with --reasons, a line for each request.")
    ] = False,
) -> None:
    """Show how many requests a manifest makes, which are done, which are new, and the price; sends nothing."""
    night_microusd = None if night_budget is None else read_night_budget(night_budget)
    manifest = options.read(job)
    if batch_jsonl is not None:
        from batchgen.commands import plan as command
        from batchgen.planning.batchfile import write_batch_file

        lines = write_batch_file(command.plan(manifest), batch_jsonl)
        sys.stderr.write(f"{batch_jsonl}: {counted(lines, 'line')}\n")
    tell = (_write_request if json else _tell) if reasons else None
    first = 0 if reasons else first
    show_plan(
        manifest,
        out=out,
        first=first,
        tell=tell,
        night_microusd=night_microusd,
        again=again or (),
        as_json=json,
    )


def show_plan(
    manifest: Manifest,
    *,
    out: Path | None,
    first: int = 3,
    tell: Callable[[Explained], None] | None = None,
    night_microusd: int | None = None,
    again: Sequence[str] = (),
    as_json: bool = False,
) -> None:
    """Write what a run of ``manifest`` would buy, and for how much; send nothing."""
    from batchgen.cli.plan_reading import reading_plan
    from batchgen.commands.plan import outlook

    with reading_plan() as watch:
        found = outlook(
            manifest, folder=out, first=first, tell=tell, watch=watch, night_microusd=night_microusd, again=again
        )
    if as_json:
        from batchgen.cli.plan_json import plan_object
        from batchgen.commands.job import folder_of

        _write(plan_object(found, manifest, folder_of(manifest, out)))
    else:
        from rich.console import Console

        part = f", shard {manifest.shard}" if manifest.shard else ""
        _print(found, Console(), name=f"{manifest.name}{part}")


def _tell(one: Explained) -> None:
    from batchgen.cli.reason_text import line

    sys.stdout.write(f"{line(one)}\n")


def _write_request(one: Explained) -> None:
    from batchgen.cli.plan_json import request_object

    _write(request_object(one))


def _write(found: dict[str, object]) -> None:
    from batchgen.encoding import json_text

    sys.stdout.write(f"{json_text(found)}\n")


def _print(outlook: Outlook, console: Console, *, name: str) -> None:
    from batchgen.cli.budget_text import budget_lines, gone_line
    from batchgen.cli.reason_text import line, orphan_lines

    forecast = outlook.forecast
    console.print(f"{name}: {counted(forecast.requests, 'request')}", style="bold", highlight=False, markup=False)
    for axis, counts in forecast.by_axis.items():
        said = _indented(f"{visible(axis)}: {_listed(counts.items())}", console.width)
        console.print(said, highlight=False, markup=False, soft_wrap=True)
    console.print(f"  {_reasons(outlook)}", highlight=False, markup=False)
    console.line()
    console.print(_models(forecast))
    console.line()
    console.print(_money(forecast), highlight=False, markup=False)
    if outlook.takes is not None:
        console.print(_takes(outlook.takes), highlight=False, markup=False)
    for text in budget_lines(outlook):
        console.print(text, highlight=False, markup=False)
    if forecast.new and forecast.duration_s is not None:
        console.print(f"to wait: {_about(forecast.duration_s)}, as measured in this folder", highlight=False)
    if outlook.gone:
        console.print(gone_line(outlook.gone, restores=outlook.restores), highlight=False, markup=False)
    for notice in forecast.notices:
        console.print(f"note: {visible(notice)}", highlight=False, markup=False)
    for text in map(line, outlook.first):
        console.print(text, highlight=False, markup=False, no_wrap=True, overflow="ellipsis")
    for text in orphan_lines(outlook.orphans):
        console.print(text, highlight=False, markup=False)


def _indented(text: str, width: int) -> str:
    """Return ``text`` indented, as lines that end between words; names with hyphens stay whole."""
    first, others = "  ", "    "
    return textwrap.fill(
        text, width, initial_indent=first, subsequent_indent=others, break_long_words=False, break_on_hyphens=False
    )


def _reasons(outlook: Outlook) -> str:
    from batchgen.planning.reasons import Reason

    forecast = outlook.forecast
    parts = [f"{count:,} {reason}" for reason, count in ({Reason.NEW: 0} | dict(outlook.reasons)).items()]
    if forecast.reused:
        parts.append(f"{forecast.reused:,} reused from other folders")
    if forecast.equal:
        parts.append(f"{forecast.equal:,} equal to another one, bought once")
    return ", ".join(parts)


def _models(forecast: Forecast) -> Table:
    from batchgen.terminal_table import NameCell, table

    figures = [(title, "right") for title in ("requests", "new", "low", "expected", "high")]
    made = table(("model", "left"), *figures, ("price by", "left"))
    for model, part in forecast.by_model.items():
        made.add_row(NameCell(model), f"{part.requests:,}", f"{part.new:,}", *_prices(part))
    return made


def _prices(part: ModelForecast) -> tuple[str, str, str, str]:
    from batchgen.money import dollars

    cost = part.cost
    if cost is None:
        return "?", "?", "?", "unknown: see `prices:`"
    low, expected, high = map(dollars, (cost.low_microusd, cost.expected_microusd, cost.high_microusd))
    return low, expected, high, cost.source


def _money(forecast: Forecast) -> str:
    from batchgen.money import dollars

    low, expected, high = (
        dollars(amount) for amount in (forecast.low_microusd, forecast.expected_microusd, forecast.high_microusd)
    )
    unknown = f"; and what {', '.join(map(visible, forecast.unpriced))} costs" if forecast.unpriced else ""
    return f"to pay: {expected} expected, {low} at least, {high} at most{unknown}"


def _takes(takes: TakesPrice) -> str:
    """Return what further takes cost, beside all that is to be bought anew."""
    from batchgen.money import dollars

    what = f"another take of {counted(takes.count, 'stored request')}"
    if takes.price is None:
        return f"{what}: nobody states what {', '.join(map(visible, takes.unpriced))} costs"
    low, expected, high = map(
        dollars, (takes.price.low_microusd, takes.price.expected_microusd, takes.price.high_microusd)
    )
    unknown = f"; and what {', '.join(map(visible, takes.unpriced))} costs" if takes.unpriced else ""
    return f"{what}: {expected} expected, {low} at least, {high} at most{unknown}"


def _about(seconds: float) -> str:
    for length, unit in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= length:
            return f"about {seconds / length:.1f} {unit}s"
    return f"about {max(1, round(seconds))} s"


def _listed(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{visible(title)} ({count:,})" for title, count in list(counts)[:12])
