"""Attaches a picture that a person recovered to a request in doubt, so that it need not be paid for again.

It takes its name as a bought picture does. No manifest is at hand to say which pictures are still asked for, so time
decides: the request that was sent last has the name, and what stood there goes to the trash, from where the next run
brings back what its manifest asks for.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import partial

import anyio.to_thread

from batchgen.errors import StoppedEarly, UsageError
from batchgen.planning.naming import opaque_stem
from batchgen.request import State
from batchgen.running.moves import Moves
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger import transitions
from batchgen.store.ledger.ledger import Ledger, now_ms, open_ledger
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.transitions import NameTaken, StoredPicture
from batchgen.store.media.sniff import inspect
from batchgen.store.pictures.on_disk import put_picture

# What is *sent* while nobody runs was on its way in a process that died: the next run would call it in doubt.
_ADOPTABLE = (State.DOUBT, State.SPOILED, State.SENT)


@dataclass(frozen=True, slots=True)
class Adopted:
    """The request that got its picture, the file it stands in, and the files that made way for it, in the trash."""

    key: str
    file: str
    made_way: tuple[str, ...] = ()


async def adopt(folder: RunFolder, key: str, content: bytes) -> Adopted:
    """Publishes ``content`` as the picture of the one request in doubt, or spoiled, whose key begins with ``key``.

    What is not known of its cost counts as estimated. Raises :class:`UsageError` where no such request, or several,
    are there; :class:`NotAPicture`; :class:`FolderInUse` while a run is going on; and :class:`StoppedEarly` where the
    disk gives in.
    """
    try:
        with folder.opened():
            async with open_ledger(folder.ledger, provider=None) as ledger:
                with closing(Reader(folder.ledger)) as reader:
                    return await _Adoption(folder, ledger, reader).take(key, content)
    except OSError as error:
        raise StoppedEarly(
            f"the disk of {folder.root} gave an error: {error}; the same command ends it later"
        ) from error


@dataclass(frozen=True, slots=True)
class _Doubtful:
    """A request that can be given a picture; ``sent_ms`` is when it was sent last."""

    request_id: int
    key: str
    stem: str
    sent_ms: int


class _Adoption:
    def __init__(self, folder: RunFolder, ledger: Ledger, reader: Reader) -> None:
        self._folder = folder
        self._ledger = ledger
        self._db = reader.db
        self._moves = Moves(ledger, reader, folder)

    async def take(self, key: str, content: bytes) -> Adopted:
        wanted = _wanted(self._db, key)
        # An old picture of this name moves only once it is sure that there is a new one.
        inspect(content)
        free = await self._make_way(wanted)
        try:
            picture = await self._put(wanted, wanted.stem, content, free)
        except NameTaken:
            # As for a bought picture: another request has this name, and its picture these very bytes.
            picture = await self._put(wanted, f"{wanted.stem}-{wanted.key[:8]}", content, {})
        await self._moves.finish()
        return Adopted(wanted.key, picture.file, tuple(free.values()))

    async def _make_way(self, wanted: _Doubtful) -> Mapping[str, str]:
        older = [
            holder.request_id
            for holder in await self._moves.holders(wanted.stem, besides=wanted.key)
            if self._stored_ms(holder.request_id) < wanted.sent_ms
        ]
        await self._moves.throw(older, successor=wanted.key)
        return await self._moves.leaving(wanted.stem)

    def _stored_ms(self, request_id: int) -> int:
        ((stored_ms,),) = self._db.execute("SELECT coalesce(ended_ms, 0) FROM requests WHERE id = ?", (request_id,))
        return int(stored_ms)

    async def _put(self, wanted: _Doubtful, stem: str, content: bytes, free: Mapping[str, str]) -> StoredPicture:
        put = partial(put_picture, self._folder, stem, content, revised_prompt=None, free=free)
        picture = await anyio.to_thread.run_sync(put)

        def attach(db: sqlite3.Connection) -> None:
            transitions.settle_doubt(db, request_id=wanted.request_id)
            transitions.store(db, request_id=wanted.request_id, pictures=[picture], downloads=0, now_ms=now_ms())

        await self._ledger.change(attach, folder=(self._folder.root / picture.file).parent)
        return picture


def _wanted(db: sqlite3.Connection, key: str) -> _Doubtful:
    rows = db.execute(
        "SELECT id, key, stem, position, state,"
        " coalesce((SELECT max(sent_ms) FROM attempts WHERE request_id = requests.id), 0)"
        " FROM requests WHERE substr(key, 1, ?) = ? LIMIT 3",
        (len(key), key),
    ).fetchall()
    if not key or not rows:
        raise UsageError(f"no request's key begins with {key!r}; failures.jsonl lists those in doubt")
    if len(rows) > 1:
        raise UsageError(f"several requests' keys begin with {key!r}; give more of it")
    ((request_id, whole, stem, position, state, sent_ms),) = rows
    if state not in _ADOPTABLE:
        raise UsageError(f"request {whole} is {state}; only one in doubt or spoiled can be given a picture")
    # A ledger that was rebuilt does not know the names of what its plan no longer asked for.
    return _Doubtful(request_id, whole, stem or opaque_stem(position, whole), sent_ms)
