"""``batchgen restore``: brings back files of a run folder that were deleted by hand or pruned."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batchgen.cli import completion
from batchgen.cli.shared_options import Folder
from batchgen.errors import ExitCode


def restore(
    folder: Folder,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|KEY",
            show_default=False,
            autocompletion=completion.gone_names,
            help="What to bring back; without any, all of it.",
        ),
    ] = None,
) -> None:
    """Bring back files that were deleted by hand or pruned; nothing is paid.

    A NAME is one that a picture had, such as icons/mug or images/icons/mug.png; a KEY may be its beginning. A run with
    --prune takes away again what its manifest does not ask for.
    """
    from batchgen.commands import restore as command
    from batchgen.wording import counted

    restored = command.restore(folder, names or ())
    said = [f"{counted(len(restored.files), 'file')} brought back"]
    said += [f"{file}: not brought back, another file has that name" for file in restored.taken]
    said += [f"{file}: its picture is gone; `--retry missing` buys it again" for file in restored.missing]
    sys.stderr.write("\n".join(said) + "\n")
    sys.stdout.writelines(f"{folder / file}\n" for file in restored.files)
    if restored.taken or restored.missing:
        raise typer.Exit(ExitCode.FAILURES)
