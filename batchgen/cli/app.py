"""The commands and their order in ``--help``. The modules that a command needs are imported when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batchgen.cli import (
    adopt,
    check,
    compare,
    ctl,
    explain,
    export,
    init,
    models,
    plan,
    prune,
    rank,
    report,
    restore,
    run,
    schema,
    simulate,
    status,
    verify,
    watch,
)
from batchgen.version import __version__

app = typer.Typer(
    name="batchgen",
    help="Bulk image generation that never pays twice for a result.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it so
    if wanted:
        sys.stdout.write(f"batchgen {__version__}\n")
        raise typer.Exit


@app.callback()
def batchgen(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Bulk image generation that never pays twice for a result."""


app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("check")(check.check)
app.command("explain")(explain.explain)
app.command("status")(status.status)
app.command("watch")(watch.watch)
app.command("ctl")(ctl.ctl)
app.command("report")(report.report)
app.command("compare")(compare.compare)
app.command("rank")(rank.rank)
app.command("verify")(verify.verify)
app.command("export")(export.export)
app.command("prune")(prune.prune)
app.command("restore")(restore.restore)
app.command("adopt")(adopt.adopt)
app.command("models")(models.models)
app.command("init")(init.init)
app.command("schema")(schema.schema)
app.command("simulate")(simulate.simulate)
