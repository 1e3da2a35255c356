"""What a shell offers for an option's value: names of models, axes and their values, states, kinds, run folders.

Nothing is sent, and what can't be read is not offered: a press of a key never ends in a message.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from batchgen.errors import BatchgenError

if TYPE_CHECKING:
    from batchgen.manifest import Manifest
    from batchgen.store.ledger.records import Record

Completer = Callable[[typer.Context, str], list[str]]

# Larger folders and tables are read so far: a key was pressed, and somebody waits.
_MOST_ROWS = 2_000
_MOST_ENTRIES = 2_000
_DEPTH = 3

_JOBS = (".yaml", ".yml", ".csv", ".tsv", ".jsonl", ".txt", ".gz")


def offered(find: Callable[[typer.Context, str], Iterable[str]]) -> Completer:
    """Return a completer that offers what ``find`` yields and begins with what was typed, once each."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        found: dict[str, None] = {}
        # What is wrong is told when the command is called.
        with suppress(BatchgenError, OSError, ValueError, RecursionError):
            found.update((word, None) for word in find(ctx, incomplete) if word.startswith(incomplete))
        return list(found)

    return complete


def one_of(words: Callable[[], Iterable[str]]) -> Completer:
    """Return a completer that offers ``words()``, made when they are asked for."""
    return offered(lambda _ctx, _typed: words())


@offered
def jobs(_ctx: typer.Context, typed: str) -> Iterator[str]:
    """Yield manifests and files of rows in the folder that is being typed, and below it."""
    for path in _below(typed):
        if path.name.endswith(_JOBS) and path.is_file():
            yield str(path)


@offered
def folders(_ctx: typer.Context, typed: str) -> Iterator[str]:
    """Yield run folders in the folder that is being typed, and below it."""
    for path in _below(typed):
        if (path / ".batchgen").is_dir():
            yield str(path)


@offered
def models(ctx: typer.Context, _typed: str) -> Iterator[str]:
    """Yield the models of the job, of the catalogues that were fetched before, and of the simulator."""
    from batchgen.provider.catalogue_cache import names_in_cache
    from batchgen.simulator.offered_models import MODELS

    with suppress(BatchgenError):
        if (manifest := _manifest(ctx)) is not None:
            yield from dict(_axes(manifest)).get("model", ())
    yield from names_in_cache()
    yield from (model.id for model in MODELS)


@offered
def only(ctx: typer.Context, typed: str) -> Iterator[str]:
    """Yield ``NAME=`` for each axis and column of the job, and ``NAME=VALUE`` once there is a name."""
    if (manifest := _manifest(ctx)) is not None:
        yield from _pairs([*_axes(manifest), *_columns(manifest)], typed)


@offered
def settings(ctx: typer.Context, typed: str) -> Iterator[str]:
    """Yield ``NAME=`` for each parameter and variable, and the values that are known of some."""
    from batchgen.manifest import PARAMETERS
    from batchgen.manifest.values import ALLOWED

    known: list[tuple[str, Iterable[str]]] = [(name, ALLOWED.get(name, ())) for name in PARAMETERS]
    with suppress(BatchgenError):
        if (manifest := _manifest(ctx)) is not None:
            known += _axes(manifest)
            known += [(name, ()) for name in (manifest.prompt.names if manifest.prompt else ())]
    yield from _pairs(known, typed)


@offered
def recorded(ctx: typer.Context, typed: str) -> Iterator[str]:
    """Yield ``NAME=`` and ``NAME=VALUE`` of the axes and columns in the run folder that was typed."""
    yield from _pairs(((name, [value]) for record in _records(ctx) for name, value in _values(record).items()), typed)


@offered
def axes(ctx: typer.Context, _typed: str) -> Iterator[str]:
    """Yield the axes in the run folder that was typed."""
    for record in _records(ctx):
        yield from ("model", *record.axes)


@offered
def columns(ctx: typer.Context, _typed: str) -> Iterator[str]:
    """Yield the columns in the run folder that was typed."""
    for record in _records(ctx):
        yield from record.columns


@offered
def gone_names(ctx: typer.Context, _typed: str) -> Iterator[str]:
    """Yield the names that were deleted by hand in the run folder that was typed."""
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.ledger import names
    from batchgen.store.ledger.records import snapshot

    for folder in run_folders(ctx):
        with snapshot(RunFolder(folder).ledger) as db:
            yield from names.deleted(db)


@offered
def shown_names(ctx: typer.Context, typed: str) -> Iterator[str]:
    """Yield the names of pictures in the run folder that was typed, or in that of the job."""
    from batchgen.commands.job import folder_of
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.ledger import names
    from batchgen.store.ledger.records import snapshot

    folders = run_folders(ctx)
    if not folders and (manifest := _manifest(ctx)) is not None:
        folders = [folder_of(manifest, ctx.params.get("out"))]
    for folder in folders:
        with snapshot(RunFolder(folder).ledger) as db:
            yield from names.first_made(db, typed, _MOST_ROWS)


@offered
def instructions(ctx: typer.Context, _typed: str) -> Iterator[str]:
    """Yield the instructions for a run, then the models that it is sending to."""
    from batchgen.commands.status import folder_status
    from batchgen.running.control import FORMS

    said = ctx.params.get("words") or ()
    if not said:
        yield from FORMS
    elif "MODEL" in FORMS.get(said[0], ""):
        for folder in run_folders(ctx):
            yield from (lane.model for lane in folder_status(folder).progress.lanes)


def states() -> list[str]:
    """Return what may be sent again."""
    return ["refused", "spoiled", "doubt", "missing"]


def kinds() -> Iterable[str]:
    """Return the kinds of provider."""
    from batchgen.plugins import kinds

    return kinds()


def meant() -> Iterable[str]:
    """Return the kinds of mistake that may be meant."""
    from batchgen.manifest.meant import Meant

    return list(Meant)


def flags() -> Iterable[str]:
    """Return the flags of pictures, as options take them."""
    from batchgen.store.looks.flags import WORDS

    return [word.replace(" ", "-") for word in WORDS.values()]


def _pairs(known: Iterable[tuple[str, Iterable[str]]], typed: str) -> Iterator[str]:
    """Yield ``NAME=`` for each name that begins so; with the values, once there is but one such name."""
    wanted, equals, _ = typed.partition("=")
    found: dict[str, list[str]] = {}
    for name, values in known:
        if name == wanted or (not equals and name.startswith(wanted)):
            found.setdefault(name, []).extend(values)
    for name, listed in found.items():
        # A shell puts a blank behind the only word that fits, which `style=` must not have.
        yield from (f"{name}={value}" for value in listed) if listed and (equals or len(found) == 1) else [f"{name}="]


def _manifest(ctx: typer.Context) -> Manifest | None:
    from batchgen.manifest import load_manifest

    job = next(iter(_given(ctx, "job")), None)
    return load_manifest(Path(job)) if job and job != "-" else None


def _axes(manifest: Manifest) -> list[tuple[str, Iterable[str]]]:
    """Return each axis with its titles; of one made by `zip`, each of its members with the values."""
    found: dict[str, dict[str, None]] = {}
    for axis in manifest.axes:
        for value in axis.values:
            found.setdefault(axis.name, {})[value.title] = None
            for name, setting in value.settings.items():
                if "+" in axis.name and isinstance(setting, str):
                    found.setdefault(name, {})[setting] = None
    default = manifest.defaults.get("model")
    if isinstance(default, str):
        found.setdefault("model", {default: None})
    return list(found.items())


def _columns(manifest: Manifest) -> list[tuple[str, Iterable[str]]]:
    found: dict[str, dict[str, None]] = {}
    for row in islice(manifest.rows, _MOST_ROWS):
        for name, value in row.values.items():
            if isinstance(value, str):
                found.setdefault(name, {})[value] = None
    return list(found.items())


def run_folders(ctx: typer.Context) -> list[Path]:
    """Return the words that were typed and are run folders."""
    # Of `FOLDER… KIND DEST`, the parser takes the first word for the last one until there are more.
    words = [word for name in ("folder", "folders", "kind", "destination") for word in _given(ctx, name)]
    return [folder for folder in map(Path, words) if (folder / ".batchgen").is_dir()]


def _given(ctx: typer.Context, name: str) -> list[str]:
    """Return the values of an argument that was typed."""
    value: Any = ctx.params.get(name)
    if value is None or value == ():
        # The parser stops at an option that has no value yet, before it has given names to words.
        return list(ctx.args)
    return [str(value)] if isinstance(value, str | Path) else list(map(str, value))


def _records(ctx: typer.Context) -> Iterator[Record]:
    from batchgen.commands.open_run import open_run

    for folder in run_folders(ctx):
        with suppress(BatchgenError):
            yield from islice(open_run(folder).records(), _MOST_ROWS)


def _values(record: Record) -> dict[str, str]:
    return {**record.columns, "model": record.model, **record.axes}


def _below(typed: str) -> Iterator[Path]:
    """Yield what lies in the folder that ``typed`` names or begins in, and in folders below it, nearest first."""
    base = Path(typed) if typed.endswith("/") else Path(typed).parent
    level, left = [base], _MOST_ENTRIES
    for _ in range(_DEPTH):
        inner: list[Path] = []
        for folder in level:
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in sorted(islice(entries, left), key=lambda one: one.name):
                    left -= 1
                    if entry.name.startswith("."):
                        continue
                    path = folder / entry.name
                    yield path
                    # A run folder holds none other, and perhaps a million pictures.
                    if entry.is_dir(follow_symlinks=False) and not (path / ".batchgen").is_dir():
                        inner.append(path)
        level = inner
