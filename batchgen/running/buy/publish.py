"""Stores the pictures of a paid answer. Nothing here ever posts: downloads are free and have tries of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from batchgen.provider.interface import DownloadFailed
from batchgen.request import AnswerPicture, State
from batchgen.running.buy.retry import download_wait_s
from batchgen.running.desk import Desk
from batchgen.running.events import Ended, Listener
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.folder.view import Name
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.inline_pictures import decoded
from batchgen.store.media.sniff import NotAPicture
from batchgen.store.pictures.on_disk import put_picture, shard_of
from batchgen.wording import counted

# Disks gain nothing from more writers, and each holds a picture in memory.
_FILE_THREADS = 16


@dataclass(frozen=True, slots=True)
class Paid:
    """A paid answer whose pictures are to be stored. ``kept`` is the file below ``answers/``, if any, with the answer.

    ``asked`` says whether the plan still asks for the answer; if not, it takes no name from another picture.
    """

    request_id: int
    key: str
    model: str
    pictures: Sequence[AnswerPicture]
    kept: Path | None
    billed_microusd: int
    asked: bool = True


@dataclass(frozen=True, slots=True)
class _Published:
    """The names of the stored pictures, and why the others are not stored."""

    names: Sequence[Name]
    message: str | None


class Publisher:
    """The publisher of one run's answers: fetch or decode, check, publish, record, name. ``listen`` hears each end."""

    def __init__(self, desk: Desk, listen: Listener) -> None:
        self._desk = desk
        self._listen = listen
        self._threads = anyio.CapacityLimiter(_FILE_THREADS)

    async def publish(self, paid: Paid) -> State:
        """Return ``stored``, ``spoiled``, or ``answered`` if the pictures may still be fetched in another run.

        One good picture is enough: the message says what the others lack. Raise :class:`LedgerFailed` and
        :class:`OSError` if the disk fails.
        """
        tries = _Count()
        try:
            published = await self._published(paid, tries)
        except (DownloadFailed, NotAPicture) as error:
            reason, state = await self._give_up(paid.request_id, error, tries)
            self._listen(Ended(paid.key, paid.model, state, None, paid.billed_microusd, reason, str(error)))
            return state
        if paid.kept is not None:
            # Litter from here on; a process that dies before this line leaves a file nobody reads.
            with contextlib.suppress(FileNotFoundError):
                await anyio.to_thread.run_sync(paid.kept.unlink)
        file = await self._named(published.names)
        self._listen(Ended(paid.key, paid.model, State.STORED, file, paid.billed_microusd, message=published.message))
        return State.STORED

    async def _named(self, names: Sequence[Name]) -> str | None:
        """Make the names of a stored picture; return the first name."""
        wanted = [name for name in names if name.original is not None]
        settle = partial(self._desk.view.settle, names)
        self._desk.ledger.settled(await anyio.to_thread.run_sync(settle, limiter=self._threads))
        return wanted[0].file if wanted else None

    async def _give_up(self, request_id: int, error: DownloadFailed | NotAPicture, tries: _Count) -> tuple[str, State]:
        ledger = self._desk.ledger
        reason = "not_a_picture" if isinstance(error, NotAPicture) else "download"
        if isinstance(error, DownloadFailed) and error.passing:
            await ledger.postpone(request_id, reason=reason, message=str(error), downloads=tries.made)
            return reason, State.ANSWERED
        await ledger.spoil(request_id, reason=reason, message=str(error), downloads=tries.made)
        return reason, State.SPOILED

    async def _published(self, paid: Paid, tries: _Count) -> _Published:
        """Store the good pictures and record them. Raise the error of the first bad picture if none is good."""
        stored: list[StoredPicture] = []
        lacking: list[DownloadFailed | NotAPicture] = []
        for picture in paid.pictures:
            try:
                stored.append(await self._put(picture, paid.key, len(stored) + 1, tries))
            except (DownloadFailed, NotAPicture) as error:
                lacking.append(error)
        passing = next((one for one in lacking if isinstance(one, DownloadFailed) and one.passing), None)
        if passing or not stored:
            # The next try finds stored pictures by their bytes.
            raise passing or lacking[0]
        message = None
        if lacking:
            message = (
                f"{len(lacking)} of {counted(len(paid.pictures), 'picture')} of the answer can't be used: {lacking[0]}"
            )
        names = await self._desk.ledger.store(
            paid.request_id,
            stored,
            folders=[shard_of(self._desk.folder, stored[0].original)],
            downloads=tries.made,
            message=message,
            takes_names=paid.asked,
        )
        self._desk.space.saw(sum(picture.bytes for picture in stored))
        return _Published(names, message)

    async def _put(self, picture: AnswerPicture, key: str, ordinal: int, tries: _Count) -> StoredPicture:
        if picture.base64 is not None:
            content = partial(decoded, picture.base64)
        else:
            assert picture.url is not None
            content = partial(_itself, await self._downloaded(picture.url, tries))
        put = partial(_put, self._desk.folder, key, ordinal, content, picture.revised_prompt)
        return await anyio.to_thread.run_sync(self._desk.space.kept, put, limiter=self._threads)

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
                download = await self._desk.provider.download(url)
        return download.content


class _Count:
    """The number of downloads that an answer took."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = 0


def _no_tries_left(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return isinstance(error, DownloadFailed) and state.attempt_number >= error.tries


def _put(
    folder: RunFolder, key: str, ordinal: int, content: Callable[[], bytes], revised_prompt: str | None
) -> StoredPicture:
    return put_picture(folder, key, ordinal, content(), revised_prompt=revised_prompt)


def _itself(content: bytes) -> bytes:
    return content
