"""``batchgen share``: one file of a run folder's pages, to be sent."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Folder

if TYPE_CHECKING:
    from batchgen.commands.share import SharePlan


def share(
    folder: Folder,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", show_default=False, help="Such as mugs.html or mugs.zip; its ending chooses."),
    ],
    *,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Write FILE also if it is there already.")] = False,
) -> None:
    """Make one file of a run folder, to be sent: without the ledger, keys, and the places on this machine.

    FILE.html is the compare page with its thumbnails inside: people look, filter, vote, and export their votes.
    FILE.zip holds report and compare page with the pictures themselves.
    """
    from batchgen.cli.compare import thumbnail_progress
    from batchgen.commands import share as command
    from batchgen.wording import counted

    made = command.share(folder, file, overwrite=overwrite, tell=_tell, listen=thumbnail_progress)
    said = f"{made.file}: {size_text(made.size_bytes)}, {counted(made.pictures, 'picture')}"
    if made.left_out:
        said += (
            f"; {counted(made.left_out, 'film or file', 'films or files')} without a thumbnail left out: a .zip has all"
        )
    sys.stderr.write(f"{said}\n")
    sys.stdout.write(f"{made.file}\n")


def size_text(size_bytes: int) -> str:
    """Return a size for people, such as ``1.9 MB``."""
    if size_bytes < 1_000_000:
        return f"{max(1, round(size_bytes / 1_000))} kB"
    return f"{size_bytes / 1_000_000:,.1f} MB"


def _tell(plan: SharePlan) -> None:
    from batchgen.wording import counted

    sys.stderr.write(f"{counted(plan.pictures, 'picture')}, about {size_text(plan.size_bytes)}\n")
