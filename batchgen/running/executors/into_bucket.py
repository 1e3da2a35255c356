"""Puts pictures into a bucket by threads of this process, and on the disk while the bucket fails."""

from __future__ import annotations

from dataclasses import replace

import anyio
import anyio.to_thread

from batchgen.running.bucket_session import BucketSession
from batchgen.running.executors.interface import AtRest, Executor, PaidPicture
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.inline_pictures import content_of
from batchgen.store.pictures.bucket import BucketFailed
from batchgen.store.pictures.in_bucket import put_object

# A put takes as long as the way to the bucket, and hardly any processor time.
_AT_ONCE = 64


class IntoBucket:
    """The executor of a run whose pictures rest in a bucket; ``disk`` keeps what the bucket does not take."""

    def __init__(self, session: BucketSession, disk: Executor) -> None:
        self._session = session
        self._disk = disk
        self._threads = anyio.CapacityLimiter(_AT_ONCE)

    async def serve(self) -> None:
        await self._disk.serve()

    async def put(self, paid: PaidPicture) -> AtRest:
        if not self._session.is_resting:
            try:
                return AtRest(await anyio.to_thread.run_sync(self._put, paid, limiter=self._threads), ())
            except BucketFailed as error:
                self._session.note(error)
        ordinal = await anyio.to_thread.run_sync(self._session.ordinal_here, paid.key, paid.ordinal)
        return await self._disk.put(replace(paid, ordinal=ordinal))

    def _put(self, paid: PaidPicture) -> StoredPicture:
        session, picture = self._session, paid.picture
        return put_object(
            *(session.bucket, paid.ordinal, content_of(picture), session.receipt(paid.request_id)),
            revised_prompt=picture.revised_prompt,
        )
