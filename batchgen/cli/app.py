"""The commands and their order in ``--help``. The modules that a command needs are imported when it is called."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batchgen.cli import (
    adopt,
    check,
    choose,
    compare,
    ctl,
    doctor,
    explain,
    export,
    init,
    models,
    open_page,
    plan,
    prune,
    rank,
    report,
    restore,
    run,
    schema,
    share,
    simulate,
    status,
    verify,
    watch,
)
from batchgen.cli.exit_codes import epilog
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


# Each with what the list of commands says, which has no room for a whole sentence of help.
_COMMANDS = (
    (run.run, "Run a manifest, or resume it; what is stored is never bought again"),
    (plan.plan, "Show what a run would buy, and for how much; sends nothing"),
    (check.check, "Find every mistake in a manifest; uses no network"),
    (explain.explain, "Say why a request would be sent, or not"),
    (status.status, "Show how far a run is, what failed, and what it cost"),
    (watch.watch, "Watch a run that goes on, from another terminal or machine"),
    (ctl.ctl, "Steer a run that goes on: limits, budget, pause, drain"),
    (report.report, "Rebuild the report and the dataset files of a run folder"),
    (compare.compare, "Write, or serve, the page on which pictures are compared"),
    (open_page.open_page, "Show the report or the compare page with the system's browser"),
    (share.share, "Make one file of the pages, to send to somebody"),
    (rank.rank, "Rank what people voted on, with price and time"),
    (verify.verify, "Compare the files of a run folder with its ledger"),
    (export.export, "Export pictures as a dataset for trainers and loaders"),
    (prune.prune, "Take away names that a manifest no longer asks for"),
    (restore.restore, "Bring back files that were deleted by hand or pruned, free"),
    (choose.choose, "List the takes of a picture, or say which one its name shows"),
    (adopt.adopt, "Attach a recovered picture to a request in doubt"),
    (models.models, "List the models on offer, with prices"),
    (doctor.doctor, "Try a bucket before a run depends on it; buys nothing"),
    (init.init, "Write a commented manifest to start from"),
    (schema.schema, "Print the JSON Schema of manifests, for editors"),
    (simulate.simulate, "Serve a simulated service on this machine"),
)
for command, summary in _COMMANDS:
    # `open` is a name of Python's.
    name = command.__name__.removesuffix("_page")
    app.command(name, short_help=summary, epilog=epilog(name))(command)
