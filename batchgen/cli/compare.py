"""``batchgen compare``: the page on which the pictures of a run folder are compared, as files or served."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Folders, Into, one_folder
from batchgen.errors import UsageError, cant_write
from batchgen.wording import counted

if TYPE_CHECKING:
    from batchgen.compare.writing import ThumbnailProgress, WrittenPage


def compare(
    folders: Folders,
    *,
    serve: Annotated[
        bool, typer.Option("--serve", help="Serve the page on this machine instead; it grows during a run.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Where --serve listens: this machine alone by default; 0.0.0.0 for whoever reaches it.",
        ),
    ] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port for --serve; 0 for any free one.")] = 0,
    into: Into = None,
) -> None:
    """Write compare.html, on which pictures are compared side by side and voted on blind; it opens from disk.

    Of two folders, such as last week's and today's, the versions of each request stand side by side; their page is
    written into the first. With --into, several folders count as one, such as the shards of a plan; their pictures stay
    where they are.
    """
    if (port or host is not None) and not serve:
        raise UsageError(f"{'--port' if port else '--host'} is of use only with --serve")
    if host is not None and not host.strip():
        raise UsageError("--host is blank; give an address such as 0.0.0.0")
    folder = one_folder(folders, into)
    if folder is None:
        if serve:
            raise UsageError("--serve shows one folder; without it, several are written as one page")
        _compare_together(folders, into) if into is not None else _compare_versions(folders)
        return

    from batchgen.commands.job import run_folder_at

    place = run_folder_at(folder)
    try:
        if serve:
            from batchgen.compare.origin_check import HOST
            from batchgen.compare.serving import serve as serve_page

            serve_page(place, host=host or HOST, port=port, on_ready=partial(_announce, host or HOST))
            return
        from batchgen.compare.writing import write_page

        written = write_page(place, thumbnail_progress)
    except OSError as error:
        raise cant_write(str(folder), error) from error
    _tell(written, f"open it in a browser, or vote with `batchgen compare {folder} --serve`")


def _compare_together(folders: Sequence[Path], into: Path) -> None:
    from batchgen.commands.together import read_together
    from batchgen.compare.writing import write_page

    with read_together(folders, into) as joined:
        try:
            into.mkdir(parents=True, exist_ok=True)
            written = write_page(joined, thumbnail_progress)
        except OSError as error:
            raise cant_write(str(into), error) from error
    _tell(written, "open it in a browser, where it lies: the pictures stay in their folders")


def _compare_versions(folders: Sequence[Path]) -> None:
    if len(folders) > 2:
        raise UsageError(
            f"{len(folders)} folders were given; two can stand side by side, and with --into FOLDER all are read as one"
        )
    if folders[0].resolve() == folders[1].resolve():
        raise UsageError(f"{folders[0]} and {folders[1]} are one folder; give two to see them side by side")

    from batchgen.commands.job import run_folder_at
    from batchgen.compare.writing import write_versions

    places = [run_folder_at(folder) for folder in folders]
    try:
        written = write_versions(places, thumbnail_progress)
    except OSError as error:
        raise cant_write(" or ".join(map(str, folders)), error) from error
    _tell(written, "open it in a browser where it lies: the pictures stay in their folders")


def _tell(written: WrittenPage, advice: str) -> None:
    pictures = counted(written.entries, "cell")
    if written.without_thumbnail:
        pictures += f", {written.without_thumbnail:,} without a thumbnail ({written.problem})"
    sys.stderr.write(f"written: {pictures}; {advice}\n")
    sys.stdout.write(f"{written.page}\n")


def _announce(host: str, url: str, folder: Path) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
    who = "this machine only"
    if host not in {"127.0.0.1", "::1", "localhost"}:
        who = f"{host}, not encrypted: whoever has the whole address sees the pictures and votes"
    sys.stderr.write(f"{folder} on {who}; votes go to {folder / 'votes.jsonl'}; Ctrl-C ends it\n")


def thumbnail_progress(progress: ThumbnailProgress) -> None:
    """Say how many thumbnails are made."""
    # A million pictures are shown in steps of one percent, and a log file gets the last step only.
    if not sys.stderr.isatty() and progress.done < progress.wanted:
        return
    if progress.done == progress.wanted or progress.done % max(1, progress.wanted // 100) == 0:
        end = "\n" if progress.done == progress.wanted else ""
        start = "\r" if sys.stderr.isatty() else ""
        sys.stderr.write(f"{start}thumbnails: {progress.done:,} of {progress.wanted:,}{end}")
        sys.stderr.flush()
