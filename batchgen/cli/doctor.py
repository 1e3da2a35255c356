"""``batchgen doctor``: tries a bucket before a run depends on it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from batchgen.errors import ExitCode


def doctor(
    what: Annotated[
        str,
        typer.Argument(
            metavar="JOB|BUCKET",
            show_default=False,
            help="A manifest with output.pictures, or the address of a bucket such as s3://bucket/prefix.",
        ),
    ],
    *,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")] = False,
) -> None:
    """Try a bucket for pictures: write, write once, read, replace, list and delete one small object. Buys nothing."""
    from batchgen.commands.doctor import bucket_of, try_bucket
    from batchgen.encoding import json_text
    from batchgen.wording import visible

    address = bucket_of(what)
    tried = []
    for one in try_bucket(address):
        tried.append(one)
        if not json:
            sys.stdout.write(f"{'ok  ' if one.problem is None else 'FAIL'} {one.what}\n")
    failed = next((one for one in tried if one.problem is not None), None)
    if json:
        checks = [{"what": one.what, "problem": one.problem} for one in tried]
        sys.stdout.write(f"{json_text({'bucket': address, 'ok': failed is None, 'checks': checks})}\n")
    elif failed is not None:
        sys.stderr.write(f"batchgen: {visible(failed.problem or '')}\n")
    if failed is not None:
        raise typer.Exit(ExitCode.USAGE if failed.lasting else ExitCode.STOPPED)
