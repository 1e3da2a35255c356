"""Makes a picture on disk of a paid answer. Nothing here ever posts: downloads are free and have tries of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
import pybase64
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from batchgen.provider.interface import DownloadFailed, Provider
from batchgen.request import AnswerPicture, State
from batchgen.running.buy.retry import download_wait_s
from batchgen.running.events import Ended, Listener
from batchgen.running.tidying import Tidying
from batchgen.store.folder.disk_space import DiskSpace
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.ledger import Ledger
from batchgen.store.ledger.transitions import NameTaken, StoredPicture
from batchgen.store.media.sniff import NotAPicture, inspect
from batchgen.store.pictures.on_disk import put_picture

# Disks gain nothing from more writers, and each holds a picture in memory.
_FILE_THREADS = 16


@dataclass(frozen=True, slots=True)
class _Published:
    """The pictures of an answer that are on disk, and why the others are not."""

    stored: Sequence[StoredPicture]
    message: str | None


class Publisher:
    """Finishes answers of one run: fetch or decode, check, publish, record."""

    def __init__(
        self,
        provider: Provider,
        ledger: Ledger,
        folder: RunFolder,
        room: DiskSpace,
        tidying: Tidying,
        listen: Listener,
    ) -> None:
        self._provider = provider
        self._ledger = ledger
        self._folder = folder
        self._room = room
        self._tidying = tidying
        self._listen = listen
        self._threads = anyio.CapacityLimiter(_FILE_THREADS)

    async def finish(
        self,
        *,
        request_id: int,
        key: str,
        model: str,
        stem: str,
        pictures: Sequence[AnswerPicture],
        spooled: Path | None,
        billed_microusd: int,
    ) -> State:
        """``stored``, ``spoiled``, or ``answered`` where its pictures may still be fetched in another run.

        One good picture is enough: what the others lack is recorded beside it. Raises :class:`LedgerFailed` and
        :class:`OSError` where the disk gives in.
        """
        tries = _Count()
        try:
            try:
                published = await self._publish(request_id, key, pictures, stem, tries)
            except NameTaken:
                # Another request of the plan has this name from an earlier manifest, and the very same bytes.
                published = await self._publish(request_id, key, pictures, f"{stem}-{key[:8]}", tries)
        except (DownloadFailed, NotAPicture) as error:
            reason, state = await self._give_up(request_id, error, tries)
            self._listen(Ended(key, model, state, None, billed_microusd, reason, str(error)))
            return state
        if spooled is not None:
            # Litter from here on; a process that dies before this line leaves a file nobody reads.
            with contextlib.suppress(FileNotFoundError):
                await anyio.to_thread.run_sync(spooled.unlink)
        file = published.stored[0].file
        self._listen(Ended(key, model, State.STORED, file, billed_microusd, message=published.message))
        return State.STORED

    async def _give_up(self, request_id: int, error: DownloadFailed | NotAPicture, tries: _Count) -> tuple[str, State]:
        reason = "not_a_picture" if isinstance(error, NotAPicture) else "download"
        if isinstance(error, DownloadFailed) and error.passing:
            await self._ledger.postpone(request_id, reason=reason, message=str(error), downloads=tries.made)
            return reason, State.ANSWERED
        await self._ledger.spoil(request_id, reason=reason, message=str(error), downloads=tries.made)
        return reason, State.SPOILED

    async def _publish(
        self, request_id: int, key: str, pictures: Sequence[AnswerPicture], stem: str, tries: _Count
    ) -> _Published:
        """Puts the good pictures on disk and records them. Raises what the first bad one lacks where none is good."""
        stored = []
        lacking: list[DownloadFailed | NotAPicture] = []
        for number, picture in enumerate(pictures, 1):
            try:
                stored.append(await self._put(picture, stem if number == 1 else f"{stem}-{number}", key, tries))
            except (DownloadFailed, NotAPicture) as error:
                lacking.append(error)
        passing = next((one for one in lacking if isinstance(one, DownloadFailed) and one.passing), None)
        if passing or not stored:
            # What is on disk already is found there again, by its bytes.
            raise passing or lacking[0]
        message = None
        if lacking:
            message = f"{len(lacking)} of {len(pictures)} pictures of the answer are unusable: {lacking[0]}"
        folder = (self._folder.root / stored[0].file).parent
        await self._ledger.store(request_id, stored, folder=folder, downloads=tries.made, message=message)
        self._room.saw(sum(picture.bytes for picture in stored))
        return _Published(stored, message)

    async def _put(self, picture: AnswerPicture, stem: str, key: str, tries: _Count) -> StoredPicture:
        if picture.base64 is not None:
            content = partial(decoded, picture.base64)
        else:
            assert picture.url is not None
            downloaded = await self._downloaded(picture.url, tries)
            content = partial(_itself, downloaded)
        # The old picture of this name moves only once it is sure that there is a new one.
        if await self._tidying.is_held(stem, key):
            await anyio.to_thread.run_sync(lambda: inspect(content()), limiter=self._threads)
        free = await self._tidying.make_way(stem, key)
        put = partial(_put, self._folder, stem, content, picture.revised_prompt, free)
        return await anyio.to_thread.run_sync(self._room.kept, put, limiter=self._threads)

    async def _downloaded(self, url: str, tries: _Count) -> bytes:
        async for attempt in AsyncRetrying(
            sleep=anyio.sleep,
            retry=retry_if_exception(lambda error: isinstance(error, DownloadFailed)),
            stop=_no_tries_left,
            wait=lambda state: download_wait_s(state.attempt_number),
            reraise=True,
        ):
            with attempt:
                tries.made += 1
                download = await self._provider.download(url)
        return download.content


class _Count:
    """How many downloads an answer took."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = 0


def _no_tries_left(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return isinstance(error, DownloadFailed) and state.attempt_number >= error.tries


def _put(
    folder: RunFolder,
    stem: str,
    content: Callable[[], bytes],
    revised_prompt: str | None,
    free: Mapping[str, str],
) -> StoredPicture:
    return put_picture(folder, stem, content(), revised_prompt=revised_prompt, free=free)


def decoded(base64: bytes) -> bytes:
    """The bytes of an inline picture; raises :class:`NotAPicture` where the text holds anything else."""
    try:
        # The lenient default drops what it doesn't know and makes a broken picture of a broken answer.
        return pybase64.b64decode(base64, validate=True)
    except ValueError as error:
        raise NotAPicture(f"bad base64: {error}") from error


def _itself(content: bytes) -> bytes:
    return content
