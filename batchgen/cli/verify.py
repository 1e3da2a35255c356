"""``batchgen verify``: compares the files of a run folder with its ledger."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Folders
from batchgen.errors import ExitCode

if TYPE_CHECKING:
    from batchgen.store.folder.run_folder import RunFolder


def verify(
    folders: Folders,
    *,
    read_data: Annotated[
        bool, typer.Option("--read-data", help="Read every picture and compare its digest, not only its size.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")] = False,
) -> None:
    """Compare the files of run folders with their ledgers: missing, altered, foreign, unfinished, litter.

    Changes nothing, and works during a run. With --json, each folder is one object, in a line of its own.
    """
    from batchgen.commands.together import missing_shards, run_folders

    places = run_folders(folders)
    different = [
        folder for folder, place in zip(folders, places, strict=True) if _differs(folder, place, read_data, json)
    ]
    if len(folders) > 1:
        for line in missing_shards(places):
            sys.stderr.write(f"{line}\n")
    raise typer.Exit(ExitCode.FAILURES if different else ExitCode.OK)


def _differs(folder: Path, place: RunFolder, read_data: bool, json: bool) -> bool:  # noqa: FBT001 - the command's own options
    """Tell what differs in one folder; return whether anything does."""
    from batchgen.commands import verify
    from batchgen.encoding import json_text
    from batchgen.wording import counted, visible

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
    return bool(findings)
