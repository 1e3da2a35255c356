"""``batchgen prune``: takes away the names of pictures that a manifest no longer asks for."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batchgen.cli.shared_options import Job, JobOptions, Out, with_job_options
from batchgen.wording import counted


@with_job_options
def prune(
    job: Job,
    *,
    options: JobOptions,
    out: Out = None,
    delete: Annotated[
        bool, typer.Option("--delete", help="Delete the pictures too, for good: what they cost is spent.")
    ] = False,
) -> None:
    """Take away the names of pictures that a manifest no longer asks for; buys and sends nothing.

    The pictures stay under their keys: a run that asks for one again gives it its name back, free. A name stays until
    the picture that replaces it is stored.
    """
    from batchgen.cli.console import say, size
    from batchgen.cli.reason_text import kept, orphan_lines
    from batchgen.commands import prune as command

    pruned = command.prune(options.read(job), folder=out, delete=delete, notice=lambda text: say(f"note: {text}"))
    said = [f"{counted(pruned.requests, 'request')} pruned: nothing in images/ is named for them any more"]
    said += orphan_lines(pruned.orphans)[1:] if pruned.requests else []
    if pruned.orphans.kept:
        said.append(kept(pruned.orphans))
    if pruned.withdrawn:
        said.append(
            f"{counted(pruned.withdrawn, 'failure is', 'failures are')} no longer asked for, and no longer listed"
        )
    if delete:
        said.append(f"{counted(pruned.deleted, 'picture')} deleted; that makes room for {size(pruned.freed_bytes)}")
    sys.stderr.write("\n".join(said) + "\n")
    sys.stdout.write(f"{pruned.folder}\n")
