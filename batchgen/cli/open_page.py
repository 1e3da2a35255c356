"""``batchgen open``: opens a page of a run folder."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batchgen.cli.shared_options import Folder


def open_page(
    folder: Folder,
    page: Annotated[str, typer.Argument(metavar="[report|compare]", help="Which page.")] = "report",
) -> None:
    """Open the report or the compare page with this system's browser, and print where it lies.

    On a machine without a desktop, the path alone is printed.
    """
    from batchgen.commands.open_page import open_page as open_with_system

    opened = open_with_system(folder, page)
    if opened.problem is not None:
        sys.stderr.write(f"not opened: {opened.problem}; open it yourself\n")
    sys.stdout.write(f"{opened.page}\n")
