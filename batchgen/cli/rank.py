"""``batchgen rank``: which is better, how sure that is, and what a win costs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from batchgen.cli.shared_options import Folder


def rank(
    folder: Folder,
    *,
    votes: Annotated[
        list[Path] | None,
        typer.Option("--votes", metavar="FILE", help="Votes that somebody exported; given again, more of them."),
    ] = None,
    axis: Annotated[
        str | None,
        typer.Option("--axis", metavar="NAME", help="What to rank; default: what most votes are on, such as model."),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="A ranking for each value of this column as well.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Rank what was voted on, with 95 % intervals, what can't be told apart, and price and time per win.

    Reads votes.jsonl in the folder and the files you name; writes ranking.json. Needs neither manifest nor key.
    """
    from rich.console import Console

    from batchgen.compare.leaderboard import FILE as DERIVED
    from batchgen.compare.leaderboard import read_leaderboard, write_leaderboard
    from batchgen.compare.ranking_text import print_standings
    from batchgen.compare.votes import FILE, merged
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.wording import visible

    place = RunFolder(folder)
    own = folder / FILE
    cast = merged([*([own] if own.exists() else []), *(votes or ())])
    standings = read_leaderboard(place, cast, axis=axis, by=by)
    if cast.votes:
        try:
            write_leaderboard(place, standings)
        except OSError as error:
            sys.stderr.write(f"{folder / DERIVED}: not written: {(error.strerror or str(error)).lower()}\n")
    if json:
        sys.stdout.write(standings.to_json().decode())
    else:
        print_standings(standings, folder, Console())
    for line in cast.left_out():
        sys.stderr.write(f"{visible(line)}\n")
