"""Puts pictures at rest in this process, by threads: on the disk of the run folder."""

from __future__ import annotations

from collections.abc import Sequence

from batchgen.running.desk import Desk
from batchgen.running.executors.file_groups import FileGroups
from batchgen.running.executors.interface import AtRest, PaidPicture
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
        folder = self._desk.folder

        def put() -> AtRest:
            picture = put_picture(folder, paid.key, paid.ordinal, paid.content(), revised_prompt=paid.revised_prompt)
            return AtRest(picture, (shard_of(folder, picture.original),))

        try:
            return self._desk.space.kept(put)
        except Exception as error:  # noqa: BLE001 - raised where this picture is waited for
            return error
