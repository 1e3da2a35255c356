"""``batchgen adopt``: gives a request in doubt the picture that a person found."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from batchgen.cli.shared_options import Folder
from batchgen.errors import UsageError


def adopt(
    folder: Folder,
    key: Annotated[str, typer.Argument(metavar="KEY", show_default=False, help="The request's key, or its beginning.")],
    source: Annotated[
        str, typer.Argument(metavar="FILE|URL", show_default=False, help="The picture's file or address.")
    ],
) -> None:
    """Attach a picture recovered by hand to a request in doubt, so that it is not paid for again."""
    from batchgen.commands import adopt as command
    from batchgen.store.media.sniff import NotAPicture

    try:
        adopted = command.adopt(folder, key, _content(source))
    except NotAPicture as error:
        raise UsageError(f"{source}: {error}") from error
    sys.stderr.write(f"request {adopted.key} is stored; `batchgen report {folder}` brings the report up to date\n")
    if adopted.file is None:
        sys.stderr.write("a newer picture has its name; the adopted one is kept under its key\n")
    else:
        sys.stdout.write(f"{folder / adopted.file}\n")


def _content(source: str) -> bytes:
    if "://" in source:
        return _fetched(source)
    try:
        return Path(source).read_bytes()
    except OSError as error:
        raise UsageError(f"{source}: can't be read: {error.strerror}") from error


def _fetched(url: str) -> bytes:
    import anyio

    from batchgen.provider.download import fetch
    from batchgen.provider.http.interface import AddressRule, EngineOptions, open_engine
    from batchgen.provider.interface import DownloadFailed

    async def download() -> bytes:
        async with open_engine(EngineOptions(max_connections=1, addresses=AddressRule.GLOBAL_ONLY)) as engine:
            return (await fetch(engine, url, redact=str)).content

    try:
        return anyio.run(download)
    except DownloadFailed as error:
        raise UsageError(str(error)) from error
