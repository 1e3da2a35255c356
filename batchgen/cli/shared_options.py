"""The options that several commands share, and the manifest that they change."""

from __future__ import annotations

import csv
import functools
import inspect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from batchgen.cli import completion
from batchgen.errors import UsageError

if TYPE_CHECKING:
    from batchgen.manifest import Manifest

Job = Annotated[
    Path,
    typer.Argument(
        metavar="JOB",
        show_default=False,
        autocompletion=completion.jobs,
        help="A manifest: YAML; CSV, TSV, JSONL or text with one request a line; or - for rows from a pipe.",
    ),
]
Folder = Annotated[
    Path,
    typer.Argument(
        metavar="FOLDER",
        show_default=False,
        autocompletion=completion.folders,
        help="A run folder, such as outputs/quickstart.",
    ),
]

Folders = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER...",
        show_default=False,
        autocompletion=completion.folders,
        help="A run folder, such as outputs/quickstart; several count as one.",
    ),
]
Into = Annotated[
    Path | None,
    typer.Option("--into", metavar="FOLDER", help="Where to write what is made of several folders together."),
]


def one_folder(folders: Sequence[Path], into: Path | None) -> Path | None:
    """Return the only folder, ``None`` if there are several. Raise :class:`UsageError` for one with ``--into``."""
    if len(folders) > 1:
        return None
    if into is not None:
        raise UsageError("--into is for several folders; what is made of one is written into it")
    return folders[0]


def _qualities() -> Sequence[str]:
    from batchgen.manifest.values import ALLOWED

    return ALLOWED["quality"]


def _out(text: str) -> Path:
    # `Path("")` is the current folder, which a shell variable that is not set must not fill with pictures.
    if not text.strip():
        raise UsageError("--out is blank; give a folder such as outputs/mugs")
    return Path(text)


Out = Annotated[
    Path | None,
    typer.Option(
        "--out",
        metavar="FOLDER",
        parser=_out,
        autocompletion=completion.folders,
        help="Run folder; default: the manifest's, or outputs/NAME.",
    ),
]

NightBudget = Annotated[
    str | None,
    typer.Option(
        "--night-budget",
        metavar="USD",
        help="Never spend more in one night: 12 hours from its first purchase, however often it is restarted.",
    ),
]


Again = Annotated[
    list[str] | None,
    typer.Option(
        "--again",
        metavar="NAME|KEY|row=N",
        autocompletion=completion.shown_names,
        help="Another picture for what is stored: by its name, its key or its row; all pictures are kept (pays again).",
    ),
]


def read_night_budget(text: str) -> int:
    """Return a night's budget in micro-dollars. Raise :class:`UsageError`."""
    from batchgen.manifest import scalars

    try:
        return scalars.money(text)
    except ValueError as error:
        raise UsageError(f"--night-budget {text!r}: it {error}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """The options that override a manifest, the same for every command that takes one."""

    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            metavar="NAME",
            autocompletion=completion.models,
            help="Model to ask; several of them are an axis.",
        ),
    ] = None
    size: Annotated[
        list[str] | None, typer.Option("--size", metavar="SIZE", help="WIDTHxHEIGHT or auto; several are an axis.")
    ] = None
    quality: Annotated[
        list[str] | None,
        typer.Option(
            "--quality",
            metavar="QUALITY",
            autocompletion=completion.one_of(_qualities),
            help="auto, low, medium or high; several are an axis.",
        ),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE[,VALUE]",
            autocompletion=completion.settings,
            help="Any other parameter or variable; several values are an axis. Quote one that holds a comma: "
            "--set 'style=\"loose, wet\",flat'.",
        ),
    ] = None
    prompt: Annotated[
        str | None, typer.Option("--prompt", metavar="TEXT", help="Prompt template, such as '{Prompt}, oil on canvas'.")
    ] = None
    repeat: Annotated[str | None, typer.Option("--repeat", metavar="N", help="Pictures per combination.")] = None
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            metavar="KIND",
            autocompletion=completion.one_of(completion.kinds),
            help="imagerouter, openai, simulator, or a plugin's kind.",
        ),
    ] = None
    allow_outside: Annotated[
        bool,
        typer.Option("--allow-outside", help="Rows and pictures may lie outside the manifest's folder."),
    ] = False
    budget: Annotated[
        str | None, typer.Option("--budget", metavar="USD", help="Never spend more than this in the run folder.")
    ] = None
    concurrency: Annotated[
        str | None, typer.Option("--concurrency", metavar="N", help="Most requests under way at once.")
    ] = None
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The run's name; default: the manifest's.")
    ] = None
    path: Annotated[
        str | None,
        typer.Option("--path", metavar="TEMPLATE", help="Names for the pictures, such as '{category}/{row}'."),
    ] = None

    shard: Annotated[
        str | None,
        typer.Option(
            "--shard",
            metavar="I/N",
            help="Only part I of N, counted from 0: its own folder, and a part of budget, risk and rate.",
        ),
    ] = None
    columns: Annotated[
        list[str] | None,
        typer.Option("--columns", metavar="NAME[,NAME]", help="Columns of your own that read like a parameter."),
    ] = None
    meant: Annotated[
        list[str] | None,
        typer.Option(
            "--meant",
            metavar="KIND[,KIND]",
            autocompletion=completion.one_of(completion.meant),
            help="Kinds of mistake that are meant, such as braces.",
        ),
    ] = None

    def read(self, job: Path) -> Manifest:
        """Return the manifest ``job`` under these options. Raises :class:`ManifestError` and :class:`UsageError`."""
        from batchgen.manifest import Overrides, load_manifest

        parameters = {name: tuple(values) for name, values in assignments(self.settings or (), "--set").items()}
        for name, values in (("model", self.model), ("size", self.size), ("quality", self.quality)):
            if values:
                parameters[name] = tuple(values)
        overrides = Overrides(
            parameters=parameters,
            prompt=self.prompt,
            repeat=self.repeat,
            budget_usd=self.budget,
            concurrency=self.concurrency,
            provider=self.provider,
            name=self.name,
            path=self.path,
            columns=_words("--columns", self.columns),
            meant=_words("--meant", self.meant),
            allow_outside=self.allow_outside,
            shard=self.shard,
        )
        return load_manifest(job, overrides=overrides)


def with_job_options(command: Callable[..., None]) -> Callable[..., None]:
    """Return ``command`` for typer, with the fields of :class:`JobOptions` in place of its parameter ``options``."""
    # Typer makes options of a signature, so the command is given one in which each field is a parameter.
    own = inspect.signature(command, eval_str=True)
    hints = get_type_hints(JobOptions, include_extras=True)
    names = [field.name for field in fields(JobOptions)]
    shared = [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in fields(JobOptions)
    ]

    @functools.wraps(command)
    def called(**given: Any) -> None:
        command(options=JobOptions(**{name: given.pop(name) for name in names}), **given)

    parameters = [[one] if name != "options" else shared for name, one in own.parameters.items()]
    called.__signature__ = own.replace(parameters=list(itertools.chain(*parameters)))  # type: ignore[attr-defined]
    called.__annotations__ = {}
    return called


def assignments(words: Sequence[str], option: str) -> dict[str, list[str]]:
    """Return ``NAME=A,B`` words as a mapping of lists. Raises :class:`UsageError` for a word of another form."""
    found: dict[str, list[str]] = {}
    for word in words:
        name, equals, values = word.partition("=")
        if not equals or not name or not values:
            raise UsageError(f"{option} {word!r}: write {option} NAME=VALUE")
        found.setdefault(name, []).extend(_values(word, values, option))
    return found


def _words(option: str, given: Sequence[str] | None) -> tuple[str, ...]:
    """Return the words of an option that may be given several times, with several of them each."""
    return tuple(word for line in given or () for word in _values(line, line, option))


def _values(word: str, values: str, option: str) -> list[str]:
    """Return the values of one word: a line of CSV, so that a value with a comma in it can be quoted."""
    try:
        (fields,) = csv.reader([values], strict=True, skipinitialspace=True)
    except (csv.Error, ValueError):
        raise UsageError(f'{option} {word!r}: a quote is unbalanced; a value with a comma is written "a, b"') from None
    return fields
