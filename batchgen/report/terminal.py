"""The report on a terminal of 80 columns or more; plain text otherwise."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table
from rich.text import Text

from batchgen.report import figures
from batchgen.report.lists import ErrorClass, RunEntry, worth_telling
from batchgen.report.reading import Report
from batchgen.report.tables import Group
from batchgen.request import State
from batchgen.terminal_table import NameCell, table
from batchgen.wording import counted, visible

# More rows than this would hide the rest of the report; the page has more.
_ROWS = 12


def print_report(report: Report, console: Console) -> None:
    """Print the report. Text from manifests and services can't move the cursor or colour anything."""
    for part in _parts(report):
        if isinstance(part, Table):
            console.line()
        # Commands stay in one line, to be copied; everything else wraps at the width of the terminal.
        console.print(part, highlight=False, crop=False, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))


def _parts(report: Report) -> Iterable[Text | Table]:
    if report.summary.simulated:
        yield Text(figures.SIMULATED, style="bold yellow")
    yield Text.assemble((visible(report.summary.name), "bold"), f": {_counts(report.total)}")
    if not report.total.requests:
        yield Text("nothing was sent yet")
        return
    yield _money(report)
    yield from _groups("model", report.models)
    for axis, groups in report.axes.items():
        yield from _groups(axis, groups)
    if report.summary.errors:
        yield _errors(report.summary.errors)
    yield _runs(report.runs)
    if idle := len(report.runs) - len(worth_telling(report.runs)):
        yield Text(f"  {counted(idle, 'other run')} found everything there and sent nothing")
    if report.total.doubt:
        yield from _doubts(report)


def _counts(total: Group) -> str:
    states = [f"{count:,} {state.value}" for state, count in total.states.items() if count and state != State.STORED]
    return ", ".join(
        [
            counted(total.requests, "request"),
            f"{total.stored:,} stored",
            *([f"{total.reused:,} reused"] if total.reused else []),
            *states,
            counted(total.pictures, total.unit),
        ]
    )


def _money(report: Report) -> Table:
    total = report.total
    grid = Table.grid(padding=(0, 2))
    grid.add_column()
    grid.add_column(justify="right")
    grid.add_column()
    each = f"{figures.amount(total.billed_per_picture_microusd)} a {total.unit}"
    if total.filmed_ms:
        each += f", {figures.amount(total.billed_per_second_microusd)} a second"
    grid.add_row("billed", figures.amount(total.billed_microusd), each)
    grid.add_row("maybe billed", figures.amount(total.maybe_microusd), "no answer arrived")
    grid.add_row("estimated", figures.amount(total.estimated_microusd), _estimate(total))
    if total.cost_sources:
        grid.add_row("priced by", "", visible(figures.sources(total.cost_sources)))
    if total.output_tokens:
        grid.add_row("tokens", "", figures.tokens(total.input_tokens, total.output_tokens, total.cost_sources))
    if total.latency:
        grid.add_row(
            "latency", figures.span(total.latency.p50), f"half within; {figures.clocks(total.latency_sources)}"
        )
    grid.add_row(
        "success",
        figures.share(total.success_rate),
        counted(total.retries, "retry", "retries"),
    )
    grid.add_row("speed", figures.rate(total.pictures_per_minute), f"{total.unit}s a minute")
    return grid


def _estimate(total: Group) -> str:
    if total.estimated_per_picture_microusd is None:
        return "no answer without a stated cost"
    return f"{figures.each(None, total.estimated_per_picture_microusd)} a {total.unit}; the service stated no cost"


def _groups(name: str, groups: tuple[Group, ...]) -> Iterable[Table | Text]:
    films = any(group.filmed_ms for group in groups)
    unit = "film" if all(group.unit == "film" for group in groups) else "picture"
    titles = ("stored", "success", "billed", f"a {unit}", *(["a second"] if films else []), "p50", "p95")
    made = table((name, "left"), *[(title, "right") for title in titles], ("by", "left"))
    for group in groups[:_ROWS]:
        latency = group.latency
        made.add_row(
            NameCell(group.name),
            f"{group.stored:,}/{group.requests:,}",
            figures.share(group.success_rate),
            figures.amount(group.billed_microusd),
            figures.each(group.billed_per_picture_microusd, group.estimated_per_picture_microusd),
            *([figures.amount(group.billed_per_second_microusd)] if films else []),
            figures.span(latency.p50 if latency else None),
            figures.span(latency.p95 if latency else None),
            _plain(figures.sources(group.cost_sources)),
        )
    yield made
    if len(groups) > _ROWS:
        yield Text(f"  … and {len(groups) - _ROWS:,} more in report.html")


def _errors(errors: Iterable[ErrorClass]) -> Table:
    made = table(("error", "left"), ("attempts", "right"), ("requests", "right"), ("for example", "left"))
    for error in list(errors)[:_ROWS]:
        made.add_row(NameCell(error.name), f"{error.attempts:,}", f"{error.requests:,}", _plain(error.example))
    return made


def _runs(runs: tuple[RunEntry, ...]) -> Table:
    made = table(
        ("run (UTC)", "left"), ("took", "right"), ("attempts", "right"), ("billed", "right"), ("ended", "left")
    )
    for run in worth_telling(runs)[-_ROWS:]:
        ending = figures.ending(run.exit_code, ended=run.ended_ms is not None)
        made.add_row(
            figures.moment(run.started_ms),
            figures.span(run.active_ms),
            f"{run.attempts:,}",
            figures.amount(run.billed_microusd),
            _plain(f"{ending}: {run.reason}" if run.reason else ending),
        )
    return made


def _doubts(report: Report) -> Iterable[Text | Table]:
    yield Text(f"\n{report.total.doubt:,} in doubt, {figures.amount(report.doubt_microusd)} maybe billed", style="bold")
    made = table(("key", "left"), ("model", "left"), ("price", "right"), ("why", "left"))
    made.columns[0].no_wrap = True
    for doubt in report.doubts[:_ROWS]:
        made.add_row(Text(doubt.key), NameCell(doubt.model), figures.amount(doubt.maybe_microusd), _plain(doubt.reason))
    yield made
    if report.total.doubt > _ROWS:
        yield Text(f"  … and {report.total.doubt - _ROWS:,} more in failures.jsonl")
    manifest = report.runs[-1].manifest if report.runs else ""
    for number, (meaning, command) in enumerate(figures.ways_out(report.folder, manifest, report.shard), 1):
        yield Text(f"{number}. {meaning}")
        if command:
            yield Text(f"   {visible(command)}", no_wrap=True, overflow="ignore")


def _plain(text: str) -> Text:
    return Text(visible(text))
