"""``batchgen export``: the pictures of run folders as a dataset for trainers and loaders."""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Never

import typer

from batchgen.cli import completion
from batchgen.cli.shared_options import assignments
from batchgen.errors import UsageError, nearest

if TYPE_CHECKING:
    from tqdm import tqdm

    from batchgen.commands.export import Exported
    from batchgen.export.interface import Caption, Conversion, ExportKind, ExportOptions
    from batchgen.store.looks.flags import Flag

_KINDS = ("captions", "imagefolder", "parquet", "webdataset")


def _folders_or_kinds(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer run folders, and the kinds that may follow the first of them."""
    kinds = [kind for kind in _KINDS if completion.run_folders(ctx) and kind.startswith(incomplete)]
    return [*kinds, *completion.folders(ctx, incomplete)]


def export(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER",
            show_default=False,
            autocompletion=_folders_or_kinds,
            help="Run folders, such as outputs/mugs.",
        ),
    ],
    kind: Annotated[
        str,
        typer.Argument(
            metavar="|".join(_KINDS),
            show_default=False,
            autocompletion=completion.one_of(lambda: _KINDS),
            help="What the dataset is to be.",
        ),
    ],
    destination: Annotated[
        Path, typer.Argument(metavar="DEST", show_default=False, help="A new folder, or the one of an earlier export.")
    ],
    *,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--only",
            metavar="NAME=VALUE[,VALUE]",
            autocompletion=completion.recorded,
            help="Only pictures with this value of an axis or column.",
        ),
    ] = None,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without",
            metavar="FLAG",
            autocompletion=completion.one_of(completion.flags),
            help="Leave out pictures with a flag, such as blank; of (near-)duplicates the first one stays.",
        ),
    ] = None,
    split: Annotated[
        list[str] | None,
        typer.Option("--split", metavar="NAME=PERCENT", help="A further split, such as test=5%; the rest is train."),
    ] = None,
    group_by: Annotated[
        str,
        typer.Option(
            "--group-by",
            metavar="NAME",
            autocompletion=completion.columns,
            help="What is never divided between splits.",
        ),
    ] = "prompt",
    caption: Annotated[
        str | None,
        typer.Option("--caption", metavar="TEMPLATE", help="The text of a picture, such as '{prompt}, {style}'."),
    ] = None,
    form: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="FORMAT",
            autocompletion=completion.one_of(lambda: ("jpeg", "png", "webp")),
            help="Convert what has another format: jpeg, png, webp.",
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option("--size", metavar="WIDTHxHEIGHT", help="Shrink what is larger; proportions stay, nothing grows."),
    ] = None,
    quality: Annotated[int, typer.Option("--quality", min=1, max=100, help="Of converted jpeg and webp.")] = 95,
    copies: Annotated[
        bool, typer.Option("--copy", help="Copy pictures that could be linked (captions, imagefolder).")
    ] = False,
    paths: Annotated[
        bool, typer.Option("--paths", help="Write where the pictures lie instead of their bytes (parquet).")
    ] = False,
    shard_pictures: Annotated[
        int, typer.Option("--shard-pictures", metavar="N", min=1, help="Most pictures in a tar or Parquet file.")
    ] = 10_000,
    shard_mb: Annotated[
        int | None,
        typer.Option(
            "--shard-mb", metavar="MB", min=1, show_default=False, help="Most megabytes in one; 1000, for parquet 400."
        ),
    ] = None,
    license: Annotated[  # noqa: A002 - the option's name
        str | None, typer.Option("--license", metavar="NAME", help="The licence that the dataset card states.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Write one JSON object to stdout.")] = False,
) -> None:
    """Export pictures as a dataset for trainers and loaders: captions, imagefolder, parquet or webdataset.

    Works beside a run. Bytes stay as they are unless --format or --size asks for less. Run it again after a kill, or
    when the run has grown: what is finished is left alone.
    """
    from batchgen.commands import export as command
    from batchgen.export.interface import ExportOptions

    chosen = _kind(kind)
    _refuse_together(chosen, copies=copies, paths=paths, converts=bool(form or size))
    options = ExportOptions(
        kind=chosen,
        caption=_caption(caption or "{prompt}"),
        captioned=caption is not None and chosen.value in {"imagefolder", "parquet"},
        only=_only(only or ()),
        without=_flags(without or ()),
        fractions=_fractions(split or ()),
        group_by=group_by,
        conversion=_conversion(form, size, quality),
        copies=copies,
        paths=paths,
        shard_pictures=shard_pictures,
        shard_bytes=(shard_mb or (400 if kind == "parquet" else 1_000)) * 1_000_000,
        license=license,
    )
    with _bar() as bar:
        exported = command.export(folders, options, destination, begin=bar.begin, listen=bar.listen)
    if json:
        _write_json(exported, options)
    else:
        _tell(exported, options)
    raise typer.Exit(exported.exit_code)


def _kind(word: str) -> ExportKind:
    from batchgen.export.interface import ExportKind

    if word not in _KINDS:
        hint = nearest(word, _KINDS) or f"one of {', '.join(_KINDS)}"
        raise UsageError(f"{word!r} is no kind of export ({hint}); write batchgen export FOLDER… KIND DEST")
    return ExportKind(word)


def _refuse_together(kind: ExportKind, *, copies: bool, paths: bool, converts: bool) -> None:
    if paths and kind != "parquet":
        raise UsageError("--paths is of use only with parquet")
    if paths and converts:
        raise UsageError("--paths leaves pictures where they are; --format and --size make new ones")
    if copies and kind not in {"captions", "imagefolder"}:
        raise UsageError("--copy is of use only with captions and imagefolder")


def _caption(text: str) -> Caption:
    from batchgen.export.interface import Caption
    from batchgen.manifest.template import Template, TemplateError

    try:
        template = Template(text)
    except TemplateError as error:
        raise UsageError(f"--caption: {error}") from error
    return Caption(text, template.names, template.render)


def _only(words: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    return {name: tuple(values) for name, values in assignments(words, "--only").items()}


def _flags(words: Sequence[str]) -> Flag:
    from batchgen.store.looks.flags import NONE, WORDS

    known = {word.replace(" ", "-"): flag for flag, word in WORDS.items()}
    found = NONE
    for word in words:
        if word.replace(" ", "-") not in known:
            hint = nearest(word, known) or f"one of {', '.join(known)}"
            raise UsageError(f"--without {word!r}: there is no such flag; {hint}")
        found |= known[word.replace(" ", "-")]
    return found


def _fractions(words: Sequence[str]) -> Mapping[str, float]:
    found: dict[str, float] = {}
    for word in words:
        name, _, share = word.partition("=")
        parts = _SHARE.fullmatch(share)
        # What `datasets` takes for a split's name.
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or parts is None:
            raise UsageError(f"--split {word!r}: write a name and a percentage, such as --split test=5%")
        if name == "train" or name in found:
            raise UsageError(f"--split {word!r}: " + ("train gets the rest" if name == "train" else "given twice"))
        found[name] = float(parts[1]) / 100
    if found and not math.fsum(found.values()) < 1:
        raise UsageError("--split: nothing is left for train; the percentages must stay below 100 % together")
    return found


_SHARE = re.compile(r"(\d{1,2}(?:\.\d+)?)%")


def _conversion(form: str | None, size: str | None, quality: int) -> Conversion | None:
    from batchgen.export.contents import check_target
    from batchgen.export.interface import Conversion

    if form is None and size is None:
        return None
    parts = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size) if size else None
    if size and parts is None:
        raise UsageError(f"--size {size!r}: write WIDTHxHEIGHT, such as 1024x1024")
    return Conversion(check_target(form) if form else None, (int(parts[1]), int(parts[2])) if parts else None, quality)


class _Bar:
    """One line with progress, rate and time left; nothing is drawn if stderr is no terminal."""

    def __init__(self) -> None:
        self._bar: tqdm[Never] | None = None

    def begin(self, rows: int) -> None:
        if _is_terminal():
            from tqdm import tqdm

            self._bar = tqdm(total=rows, file=sys.stderr, bar_format=_FORMAT, dynamic_ncols=True, unit="")

    def listen(self, rows: int) -> None:
        if self._bar is not None:
            self._bar.update(rows)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _is_terminal() -> bool:
    return sys.stderr.isatty()


_FORMAT = "{percentage:3.0f}% {bar} {n_fmt}/{total_fmt} {rate_fmt} ETA {remaining}"


@contextmanager
def _bar() -> Iterator[_Bar]:
    bar = _Bar()
    try:
        yield bar
    finally:
        bar.close()


def _tell(exported: Exported, options: ExportOptions) -> None:
    from batchgen.cli.console import say, size
    from batchgen.wording import counted

    tally = exported.tally
    splits = ", ".join(f"{count:,} {split}" for split, count in sorted(tally.pictures.items()))
    said = f"{exported.root}: {counted(tally.pictures.total(), 'picture')} as {options.kind}, {size(tally.bytes)}"
    said += f" ({splits})" if options.fractions else ""
    said += f"; {counted(tally.written, 'file')} written, {tally.kept:,} there already"
    say(said + (f", {tally.removed:,} removed" if tally.removed else ""))
    for why, count in sorted(tally.left_out.items()):
        say(f"left out: {counted(count, 'picture')}, {why}")
    for line in (*tally.problems, *exported.notices):
        say(line)
    if options.kind == "captions":
        say("captions are in .txt files; kohya's sd-scripts read them with --caption_extension .txt")
    sys.stdout.write(f"{exported.root}\n")


def _write_json(exported: Exported, options: ExportOptions) -> None:
    from batchgen.encoding import json_text

    tally = exported.tally
    said: dict[str, Any] = {
        "destination": str(exported.root),
        "kind": options.kind,
        "pictures": tally.pictures.total(),
        "splits": dict(sorted(tally.pictures.items())),
        "formats": dict(sorted(tally.formats.items())),
        "bytes": tally.bytes,
        "files": tally.files,
        "written": tally.written,
        "kept": tally.kept,
        "removed": tally.removed,
        "credentials": tally.credentials,
        "credentials_lost": tally.credentials_lost,
        "left_out": dict(sorted(tally.left_out.items())),
        "problems": tally.problems,
        "notices": exported.notices,
    }
    sys.stdout.write(f"{json_text(said)}\n")
