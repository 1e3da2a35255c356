"""``batchgen prune``: moves the pictures that a manifest no longer asks for to the trash of their folder."""

from __future__ import annotations

import sys

from batchgen.cli.shared_options import Job, JobOptions, Out, with_job_options


@with_job_options
def prune(job: Job, *, options: JobOptions, out: Out = None) -> None:
    """Move pictures that a manifest no longer asks for to the folder's trash; buys, sends and deletes nothing.

    A later run that wants one again brings it back instead of paying.
    """
    from batchgen import api
    from batchgen.cli.console import say
    from batchgen.cli.reason_text import orphan_lines

    pruned = api.prune(options.read(job), folder=out, notice=lambda text: say(f"note: {text}"))
    moved = pruned.orphans
    said = orphan_lines(moved)[1:] if moved.count else []
    if pruned.withdrawn:
        said.append(f"{pruned.withdrawn:,} failures are no longer asked for; trash/failures.jsonl lists them")
    sys.stderr.write(
        "\n".join([f"{moved.count:,} requests' pictures moved to {pruned.folder / 'trash'}", *said]) + "\n"
    )
    sys.stdout.write(f"{pruned.folder}\n")
