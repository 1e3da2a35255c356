"""``batchgen report``: rebuilds what is derived from the ledger of a run folder."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Folders, Into, one_folder
from batchgen.errors import UsageError, cant_write
from batchgen.wording import counted

if TYPE_CHECKING:
    from batchgen.store.folder.run_folder import RunFolder


def report(
    folders: Folders,
    *,
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Look at pictures that nobody looked at yet, for their flags.")
    ] = True,
    sheet: Annotated[
        str | None, typer.Option("--sheet", metavar="pdf", help="Also make contact sheets of all pictures.")
    ] = None,
    into: Into = None,
) -> None:
    """Rebuild report.html, report.csv, summary.json and metadata.jsonl; needs neither manifest nor key.

    Several folders, such as the shards of one plan, have one report: on the terminal, and as files with --into.
    """
    folder = one_folder(folders, into)
    if sheet is not None:
        _refuse_kind(sheet)
    if folder is None:
        if sheet is not None:
            raise UsageError("--sheet makes contact sheets of one folder; name each for itself")
        _report_together(folders, into, look=look)
        return
    from rich.console import Console

    from batchgen.commands.job import run_folder_at
    from batchgen.report import print_report, write_report
    from batchgen.store.dataset.metadata import write_dataset

    place = run_folder_at(folder)
    if look:
        _look(place)
    try:
        written = write_report(place)
        write_dataset(place, written.checks)
    except OSError as error:
        raise cant_write(f"{folder}: the report can't be written", error) from error
    print_report(written, Console())
    sys.stderr.write(f"written: {folder / 'report.html'}, report.csv, summary.json, metadata.jsonl\n")
    if sheet is not None:
        _sheets(place)


def _report_together(folders: Sequence[Path], into: Path | None, *, look: bool) -> None:
    from rich.console import Console

    from batchgen.commands.together import missing_shards, read_together, run_folders
    from batchgen.report import print_report, reported, write_report

    places = run_folders(folders)
    for place in places if look else ():
        _look(place)
    with read_together(folders, into) as joined:
        if into is None:
            found = reported(joined)
        else:
            try:
                into.mkdir(parents=True, exist_ok=True)
                found = write_report(joined)
            except OSError as error:
                raise cant_write(f"{into}: the report can't be written", error) from error
    print_report(found, Console())
    for line in missing_shards(places):
        sys.stderr.write(f"{line}\n")
    if into is not None:
        sys.stderr.write(f"written: {into / 'report.html'}, report.csv, summary.json\n")


def _refuse_kind(sheet: str) -> None:
    """Refuses what could not be made before anything is written."""
    from batchgen.report.sheets import refuse_without_fpdf2

    if sheet != "pdf":
        raise UsageError(f"--sheet {sheet!r}: contact sheets are made as pdf")
    refuse_without_fpdf2()


def _sheets(place: RunFolder) -> None:
    from batchgen.report.fonts import advice
    from batchgen.report.sheets import write_sheets

    try:
        sheets = write_sheets(place)
    except OSError as error:
        raise cant_write(f"{place.root}: no contact sheet could be written", error) from error
    said = f"{counted(sheets.pictures, 'picture')} on {counted(len(sheets.files), 'file')}"
    if sheets.blank:
        said += f", {sheets.blank:,} of them only by name: they have no thumbnail"
    sys.stderr.write(f"contact sheet: {said}\n")
    if advised := advice(sheets.undrawn):
        sys.stderr.write(f"contact sheet: {advised}\n")
    for file in sheets.files:
        sys.stdout.write(f"{file}\n")


def _look(place: RunFolder) -> None:
    from batchgen.store.looks.update import look_at_new

    looked = look_at_new(place, listen=_progress)
    if looked.problem:
        sys.stderr.write(f"{counted(looked.left, 'picture')} could not be looked at: {looked.problem}\n")


def _progress(done: int, wanted: int) -> None:
    # A million pictures are shown in steps of one percent, and only on a terminal.
    if sys.stderr.isatty() and (done == wanted or done % max(1, wanted // 100) == 0):
        sys.stderr.write(f"\rlooked at {done:,} of {counted(wanted, 'picture')}{chr(10) if done == wanted else ''}")
        sys.stderr.flush()
