"""``batchgen rank``: which model is better, how certain that is, and what a win costs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from batchgen.cli import completion
from batchgen.cli.shared_options import Folders


def rank(
    folders: Folders,
    *,
    votes: Annotated[
        list[Path] | None,
        typer.Option("--votes", metavar="FILE", help="Votes that somebody exported; may be given several times."),
    ] = None,
    axis: Annotated[
        str | None,
        typer.Option(
            "--axis",
            metavar="NAME",
            autocompletion=completion.axes,
            help="Axis to rank; default: the one with most votes, such as model.",
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="COLUMN",
            autocompletion=completion.columns,
            help="Also make a ranking for each value of this column.",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")] = False,
) -> None:
    """Rank what people voted on: ratings with 95 % intervals, what can't be told apart, price and time per win.

    Reads votes.jsonl in the folders and the files you name; writes ranking.json if it is one folder. Needs neither
    manifest nor key.
    """
    from rich.console import Console

    from batchgen.commands.together import read_together
    from batchgen.compare.leaderboard import FILE as DERIVED
    from batchgen.compare.leaderboard import read_leaderboard, write_leaderboard
    from batchgen.compare.ranking_text import print_standings
    from batchgen.compare.votes import FILE, merged
    from batchgen.wording import visible

    with read_together(folders) as place:
        own = [file for folder in folders if (file := folder / FILE).exists()]
        cast = merged([*own, *(votes or ())])
        standings = read_leaderboard(place, cast, axis=axis, by=by)
    folder = folders[0]
    if cast.votes and len(folders) == 1:
        try:
            write_leaderboard(place, standings)
        except OSError as error:
            sys.stderr.write(f"{folder / DERIVED}: not written: {(error.strerror or str(error)).lower()}\n")
    if json:
        sys.stdout.write(standings.to_json().decode())
    else:
        print_standings(standings, folder, Console(), others=len(folders) - 1)
        if cast.votes and not votes and len(folders) == 1 and (folder / "compare.html").is_file():
            sys.stderr.write(f"{folder}/compare.html#results=1 shows this, as of when the page was written\n")
    for line in cast.left_out():
        sys.stderr.write(f"{visible(line)}\n")
