"""Puts pictures at rest in this process, by threads: on the disk of the run folder."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from batchgen.running.desk import Desk
from batchgen.running.executors.file_groups import FileGroups
from batchgen.running.executors.interface import AtRest, PaidPicture
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.inline_pictures import content_of, pieces_of
from batchgen.store.pictures.large_pictures import put_pieces
from batchgen.store.pictures.on_disk import put_picture, shard_of

# Disks gain next to nothing from more writers, and each holds a picture in memory.
_WRITERS = 4


class InProcess:
    """The executor of a run that has no other."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._files = FileGroups(self._put_all, threads=_WRITERS)

    async def serve(self) -> None:
        await self._files.serve()

    async def put(self, paid: PaidPicture) -> AtRest:
        return await self._files.do(paid)

    def _put_all(self, group: Sequence[PaidPicture]) -> Sequence[AtRest | Exception]:
        return [self._tried(paid) for paid in group]

    def _tried(self, paid: PaidPicture) -> AtRest | Exception:
        try:
            stored = self._desk.space.kept(partial(_put, self._desk.folder, paid))
        except Exception as error:  # noqa: BLE001 - raised where this picture is waited for
            return error
        return AtRest(stored, (shard_of(self._desk.folder, stored.original),))


def _put(folder: RunFolder, paid: PaidPicture) -> StoredPicture:
    picture, arrived = paid.picture, paid.arrived
    if arrived is not None and picture.content is not None and arrived.holds(picture.content):
        return arrived.put(paid.ordinal, revised_prompt=picture.revised_prompt)
    if (pieces := pieces_of(picture)) is not None:
        return put_pieces(folder, paid.key, paid.ordinal, pieces, revised_prompt=picture.revised_prompt)
    return put_picture(folder, paid.key, paid.ordinal, content_of(picture), revised_prompt=picture.revised_prompt)
