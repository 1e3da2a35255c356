"""``batchgen verify``: compares the files of a run folder with its ledger."""

from __future__ import annotations

import sys
from collections import Counter
from typing import Annotated

import typer

from batchgen.cli.shared_options import Folder
from batchgen.errors import ExitCode


def verify(
    folder: Folder,
    *,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Read every picture and compare its digest, not only its size.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")] = False,
) -> None:
    """Compare the files of a run folder with its ledger: missing, altered, foreign, unfinished, litter.

    Changes nothing, and works during a run.
    """
    from batchgen.commands import verify
    from batchgen.commands.job import run_folder_at
    from batchgen.encoding import json_text
    from batchgen.wording import counted, visible

    place = run_folder_at(folder)
    pictures = verify.count_pictures(place)
    findings = list(verify.verify(place, read_data=read_data))
    counts = Counter(finding.difference for finding in findings)
    if json:
        said = {
            "folder": str(folder),
            "pictures": pictures,
            "data_read": read_data,
            "counts": {difference.value: counts[difference] for difference in verify.Discrepancy},
            "findings": findings,
        }
        sys.stdout.write(f"{json_text(said)}\n")
    else:
        for one in findings:
            key = f" [{one.key[:12]}]" if one.key else ""
            sys.stdout.write(f"{one.difference:<10} {visible(one.file)}{key}: {visible(one.message)}\n")
        found = ", ".join(f"{count:,} {difference}" for difference, count in counts.items())
        how = "size and digest" if read_data else "size"
        sys.stderr.write(f"{folder}: {counted(pictures, 'picture')} checked by {how}; {found or 'no difference'}\n")
    raise typer.Exit(ExitCode.FAILURES if findings else ExitCode.OK)
