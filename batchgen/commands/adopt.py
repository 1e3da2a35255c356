"""Attaches a picture that a person recovered to a request in doubt, so that it need not be paid for again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from batchgen.commands.job import existing_folder
from batchgen.errors import StoppedEarly, UsageError
from batchgen.planning.naming import opaque_stem
from batchgen.provider.answer_reader import read_answer
from batchgen.provider.arrival import from_rest
from batchgen.request import State
from batchgen.running.outer_loop import wait_for
from batchgen.running.relink import view_of
from batchgen.store.folder.kept_answers import read_kept
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import Name, View
from batchgen.store.ledger import transitions
from batchgen.store.ledger.ledger import Ledger, now_ms, open_ledger
from batchgen.store.ledger.reader import Reader
from batchgen.store.media.inline_pictures import content_of
from batchgen.store.media.sniff import inspect
from batchgen.store.pictures.on_disk import put_picture, shard_of

# What is *sent* while nobody runs was on its way in a process that died: the next run would call it in doubt.
_ADOPTABLE = (State.DOUBT, State.SPOILED, State.SENT)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The request that got its picture, and the picture's name in ``images/``; ``None`` if another picture has it."""

    key: str
    file: str | None


def adopt(folder: str | Path, key: str, content: bytes) -> Adopted:
    """Store ``content`` as the picture of the one request in doubt, or spoiled, whose key begins with ``key``.

    An unknown cost counts as estimated. Raise :class:`UsageError` if there is no such request, or
    several; :class:`NotAPicture`; :class:`FolderInUse` while a run is going on; and :class:`StoppedEarly` if the disk
    fails.
    """
    return wait_for(_adopted, existing_folder(folder), key, content)


@dataclass(frozen=True, slots=True)
class KeptPictures:
    """The pictures in a kept answer: how many there are, and the first, as its bytes or as its address."""

    count: int
    content: bytes | None = None
    url: str | None = None


def pictures_of_answer(folder: str | Path, name: str) -> KeptPictures | None:
    """Return the pictures in a kept answer, a path or a name below ``answers/``; ``None`` if it holds none.

    Raise :class:`UsageError` if there is no such file.
    """
    text = read_kept(Path(name)) or read_kept(existing_folder(folder).answers / Path(name).name)
    if text is None:
        raise UsageError(f"{name}: there is no such answer, here or below {existing_folder(folder).answers}")
    pictures = read_answer(from_rest(text)).pictures
    if not pictures:
        return None
    first = pictures[0]
    return KeptPictures(len(pictures), None if first.url else content_of(first), first.url)


async def _adopted(folder: RunFolder, key: str, content: bytes) -> Adopted:
    try:
        with folder.opened():
            async with open_ledger(folder.ledger, provider=None) as ledger:
                with closing(Reader(folder.ledger)) as reader:
                    wanted, view = _wanted(reader.db, key), view_of(folder, reader.db)
                    return await _take(folder, view, ledger, wanted, content)
    except OSError as error:
        raise StoppedEarly(
            f"the disk of {folder.root} gave an error: {error}; the same command finishes the adoption later"
        ) from error


@dataclass(frozen=True, slots=True)
class _Doubtful:
    """A request that can be given a picture. ``has_name`` says that no newer picture has its name."""

    request_id: int
    key: str
    stem: str
    has_name: bool


async def _take(folder: RunFolder, view: View, ledger: Ledger, wanted: _Doubtful, content: bytes) -> Adopted:
    inspect(content)
    picture = await anyio.to_thread.run_sync(partial(put_picture, folder, wanted.key, 1, content))

    def attach(db: sqlite3.Connection) -> list[Name]:
        transitions.settle_doubt(db, request_id=wanted.request_id)
        db.execute("UPDATE requests SET stem = ? WHERE id = ?", (wanted.stem, wanted.request_id))
        return transitions.store(
            db,
            request_id=wanted.request_id,
            pictures=[picture],
            downloads=0,
            now_ms=now_ms(),
            takes_names=wanted.has_name,
        )

    names = await ledger.change(attach, folders=[shard_of(folder, picture.original)])
    ledger.settled(await anyio.to_thread.run_sync(view.settle, names))
    return Adopted(wanted.key, next((name.file for name in names if name.original is not None), None))


def _wanted(db: sqlite3.Connection, key: str) -> _Doubtful:
    found = db.execute(
        "SELECT id, key, stem, position, state,"
        " coalesce((SELECT max(sent_ms) FROM attempts WHERE request_id = requests.id), 0)"
        " FROM requests WHERE substr(key, 1, ?) = ? LIMIT 6",
        (len(key), key),
    ).fetchall()
    # Of a stored request, another take may be in doubt.
    adoptable = {row[1]: row for row in found if row[4] in _ADOPTABLE}
    rows = [*({row[1]: row for row in found} | adoptable).values()]
    if not key or not rows:
        raise UsageError(f"no request's key begins with {key!r}; failures.jsonl lists those in doubt")
    if len(rows) > 1:
        raise UsageError(f"several keys begin with {key!r}; give more digits")
    ((request_id, whole, stem, position, state, sent_ms),) = rows
    if state not in _ADOPTABLE:
        raise UsageError(f"request {whole} is {state}; only one in doubt or spoiled can be given a picture")
    # A ledger that was made anew does not know the names of what its plan no longer asked for.
    stem = stem or opaque_stem(position, whole)
    newer = db.execute(
        "SELECT 1 FROM names n JOIN requests r ON r.id = n.request_id WHERE n.file > ? AND n.file < ? AND r.id <> ?"
        " AND n.state <> 'leaving' AND r.ended_ms >= ?",
        (f"{stem}.", f"{stem}/", request_id, sent_ms),
    ).fetchone()
    return _Doubtful(request_id, whole, stem, newer is None)
