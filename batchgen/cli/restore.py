"""``batchgen restore``: brings pictures back from the trash of a run folder, or lists what lies in it."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Folder
from batchgen.errors import UsageError

if TYPE_CHECKING:
    from batchgen.store.folder.run_folder import RunFolder
    from batchgen.store.folder.trashed import InTrash


def restore(
    folder: Folder,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME|KEY", show_default=False, help="What to bring back; without any, the trash is listed."
        ),
    ] = None,
) -> None:
    """Bring pictures back from the trash to the places they had, where those are free; nothing is paid.

    A NAME is one that a picture had, such as icons/mug or images/icons/mug.png; a KEY may be its beginning.
    """
    from batchgen import api
    from batchgen.store.folder.run_folder import RunFolder

    place = RunFolder(folder)
    if not place.exists:
        raise UsageError(f"{folder}: there is no ledger here; is this a run folder?")
    if not names:
        _list(place)
        return
    restored = api.restore(folder, names)
    many = restored.requests != 1
    who, them = ("requests' pictures are", "them") if many else ("request's picture is", "it")
    sys.stderr.write(f"{restored.requests:,} {who} back; a run with --prune moves {them} again unless asked for\n")
    sys.stdout.writelines(f"{folder / file}\n" for file in restored.files)


def _list(place: RunFolder) -> None:
    """A line for each request in the trash on stdout: key, when it was moved, the name it had, its prompt."""
    from batchgen.store.folder.trashed import read_trash
    from batchgen.store.ledger.reader import Reader

    with closing(Reader(place.ledger)) as reader:
        found = read_trash(reader.db)
    sys.stdout.writelines(f"{_line(one, place)}\n" for one in found)
    if found:
        sys.stderr.write(f"`batchgen restore {place.root} {found[0].key[:8]}` brings the first of them back\n")
    else:
        sys.stderr.write(f"{place.root}: nothing is in the trash\n")


def _line(one: InTrash, place: RunFolder) -> str:
    from batchgen.store.ledger.records import timestamp
    from batchgen.wording import visible

    moved = (timestamp(one.trashed_ms) or "")[:16].replace("T", " ")
    gone = "" if all((place.root / picture.file).is_file() for picture in one.pictures) else " (deleted)"
    return f'{one.key[:8]} {moved} {visible(one.homes[0])}{gone} "{visible(one.prompt[:60])}"'
