"""``batchgen init``: a commented manifest to start from."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from batchgen.cli import completion
from batchgen.cli.schema import FILE_NAME, schema_text
from batchgen.errors import UsageError, nearest

# The files of each starter; the manifest comes first.
_STARTERS = {
    "quickstart": ("quickstart.yaml",),
    "dataset": ("dataset.yaml", "dataset.csv"),
    "sweep": ("sweep.yaml",),
    "nightly": ("nightly.yaml", "prompts/icons.csv"),
}


def init(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="[quickstart|dataset|sweep|nightly]", autocompletion=completion.one_of(lambda: _STARTERS)
        ),
    ] = "quickstart",
    *,
    into: Annotated[Path, typer.Option("--into", help="Folder to write to.")] = Path(),
) -> None:
    """Write a commented manifest that runs as it is, on the simulator; never overwrites a manifest or its rows.

    Beside it goes manifest.schema.json, with which an editor completes and explains the manifest's keys.
    """
    if kind not in _STARTERS:
        raise UsageError(
            f"there is no starter {kind!r}; {nearest(kind, _STARTERS) or 'there are ' + ', '.join(_STARTERS)}"
        )
    targets = {name: into / name for name in _STARTERS[kind]}
    if taken := [str(target) for target in targets.values() if target.exists()]:
        raise UsageError(f"{', '.join(taken)} exists already; nothing was written")
    try:
        for name, target in targets.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("x", encoding="utf-8") as handle:
                handle.write(_starter(name))
        # Generated, and never edited: a newer batchgen's takes the place of an older one's.
        (into / FILE_NAME).write_text(schema_text(), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{error.filename} can't be written: {error.strerror}") from None
    manifest = targets[_STARTERS[kind][0]]
    sys.stdout.write(f"{manifest}\n")
    # A folder may have a blank in its name, and people copy these words.
    job = shlex.quote(str(manifest))
    sys.stderr.write(f"next: batchgen plan {job}, then batchgen run {job}\n")


def _starter(name: str) -> str:
    from importlib.resources import files

    packaged = files("batchgen") / "starters" / name
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    # In a checkout the starters are the examples themselves.
    return (Path(__file__).parents[2] / "jobs" / name).read_text(encoding="utf-8")
