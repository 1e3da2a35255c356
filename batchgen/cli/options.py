"""The options that several commands share, and what they say of a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.errors import UsageError

if TYPE_CHECKING:
    from batchgen.manifest import Manifest

Job = Annotated[
    Path,
    typer.Argument(
        metavar="JOB", show_default=False, help="A manifest: YAML, or CSV, TSV, JSONL or text with one request a line."
    ),
]
Folder = Annotated[
    Path, typer.Argument(metavar="FOLDER", show_default=False, help="A run folder, such as outputs/quickstart.")
]
Model = Annotated[list[str] | None, typer.Option("--model", metavar="NAME", help="Model to ask; given again, an axis.")]
Size = Annotated[
    list[str] | None, typer.Option("--size", metavar="SIZE", help="WIDTHxHEIGHT or auto; given again, an axis.")
]
Quality = Annotated[
    list[str] | None,
    typer.Option("--quality", metavar="QUALITY", help="auto, low, medium or high; given again, an axis."),
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE[,VALUE]", help="Any other parameter or variable; several values, an axis."
    ),
]
Prompt = Annotated[
    str | None, typer.Option("--prompt", metavar="TEXT", help="Prompt template, such as '{Prompt}, oil on canvas'.")
]
Repeat = Annotated[str | None, typer.Option("--repeat", metavar="N", help="Pictures per combination.")]
Budget = Annotated[
    str | None, typer.Option("--budget", metavar="USD", help="Never spend more than this in the run folder.")
]
Concurrency = Annotated[str | None, typer.Option("--concurrency", metavar="N", help="Most requests under way at once.")]
Provider = Annotated[str | None, typer.Option("--provider", metavar="KIND", help="imagerouter, openai or simulator.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="FOLDER", help="Run folder; default: the manifest's, or outputs/NAME.")
]


def read_manifest(
    job: Path,
    *,
    model: Sequence[str] | None,
    size: Sequence[str] | None,
    quality: Sequence[str] | None,
    settings: Sequence[str] | None,
    prompt: str | None,
    repeat: str | None,
    budget: str | None = None,
    concurrency: str | None = None,
    provider: str | None,
) -> Manifest:
    """The manifest with the command line's options above it. Raises :class:`ManifestError`."""
    from batchgen.manifest import Overrides, load_manifest

    parameters = {name: tuple(values) for name, values in assignments(settings or (), "--set").items()}
    for name, values in (("model", model), ("size", size), ("quality", quality)):
        if values:
            parameters[name] = tuple(values)
    overrides = Overrides(
        parameters=parameters,
        prompt=prompt,
        repeat=repeat,
        budget_usd=budget,
        concurrency=concurrency,
        provider=provider,
    )
    return load_manifest(job, overrides=overrides)


def assignments(words: Sequence[str], option: str) -> dict[str, list[str]]:
    """``NAME=A,B`` words as a mapping of lists. Raises :class:`UsageError` for a word of another form."""
    found: dict[str, list[str]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not name or not values:
            raise UsageError(f"{option} {word!r}: it is written {option} NAME=VALUE")
        found.setdefault(name, []).extend(values.split(","))
    return found
