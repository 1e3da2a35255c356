"""``batchgen adopt``: gives a request in doubt the picture that a person found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from batchgen.cli.shared_options import Folder
from batchgen.errors import UsageError
from batchgen.wording import counted


def adopt(
    folder: Folder,
    key: Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="The request's key, or its beginning.")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|URL",
            show_default=False,
            help="The picture's file or address, or an answer kept below the run folder's .batchgen/answers.",
        ),
    ],
) -> None:
    """Attach a picture recovered by hand to a request in doubt, so that it is not paid for again."""
    from batchgen.commands import adopt as command
    from batchgen.store.media.sniff import NotAPicture

    try:
        adopted = command.adopt(folder, key, _content(folder, source))
    except NotAPicture as error:
        raise UsageError(f"{source}: {error}") from error
    sys.stderr.write(f"request {adopted.key} is stored; `batchgen report {folder}` brings the report up to date\n")
    if adopted.file is None:
        sys.stderr.write("a newer picture has its name; the adopted one is kept under its key\n")
    else:
        sys.stdout.write(f"{folder / adopted.file}\n")


def _content(folder: Path, source: str) -> bytes:
    if "://" in source:
        return _fetched(source)
    if source.endswith((".body", ".arriving")):
        return _from_answer(folder, source)
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise UsageError(f"{source}: can't be read: {error.strerror}") from error


def _from_answer(folder: Path, source: str) -> bytes:
    """Return the first picture in a kept answer, and tell of others."""
    from batchgen.commands.adopt import pictures_of_answer

    pictures = pictures_of_answer(folder, source)
    if pictures is None:
        raise UsageError(f"{source}: no picture is found in this answer; save the picture to a file and adopt that")
    if pictures.count > 1:
        sys.stderr.write(f"{source} holds {counted(pictures.count, 'picture')}; the first is taken\n")
    return pictures.content if pictures.content is not None else _fetched(pictures.url or "")


def _fetched(url: str) -> bytes:
    import anyio

    from batchgen.provider.download import LARGEST_DOWNLOAD_BYTES, fetch
    from batchgen.provider.http.interface import AddressRule, EngineOptions, open_engine
    from batchgen.provider.interface import DownloadFailed

    async def download() -> bytes:
        rule, cap = AddressRule.GLOBAL_ONLY, LARGEST_DOWNLOAD_BYTES
        async with open_engine(EngineOptions(max_connections=1, addresses=rule, max_body_bytes=cap)) as engine:
            return bytes((await fetch(engine, url, redact=str)).content)

    try:
        return anyio.run(download)
    except DownloadFailed as error:
        raise UsageError(str(error)) from error
