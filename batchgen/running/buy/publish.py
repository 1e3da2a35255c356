"""Stores the pictures of a paid answer. Nothing here ever posts: downloads are free and have tries of their own."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception

from batchgen.errors import LedgerDamaged
from batchgen.provider.answer_sink import DOWNLOAD_SINK
from batchgen.provider.interface import DownloadFailed, Obstacle
from batchgen.request import AnswerPicture, State
from batchgen.running.buy.retry import download_wait_s
from batchgen.running.desk import Desk
from batchgen.running.events import Ended, Listener
from batchgen.running.executors.file_groups import FileGroups
from batchgen.running.executors.in_process import InProcess
from batchgen.running.executors.interface import AtRest, Executor, PaidPicture
from batchgen.running.executors.into_bucket import IntoBucket
from batchgen.store.folder.view import Name, Settled
from batchgen.store.ledger.ledger import now_ms
from batchgen.store.media.sniff import NotAPicture
from batchgen.store.pictures.large_pictures import ArrivingPicture
from batchgen.wording import counted

_PASSING_TRIES = 8
GONE_FOR_S = 60.0
# ImageRouter keeps hosted pictures for 30 days, others for an hour.
KEPT_BY_SERVICES_MS = 30 * 24 * 3_600_000


@dataclass(frozen=True, slots=True)
class Paid:
    """A paid answer whose pictures are to be stored. ``kept`` is the file below ``answers/``, if any, with the answer.

    ``asked`` says whether the plan still asks for the answer; if not, it takes no name from another picture.
    ``tried``: an earlier run looked for its pictures in vain. ``answered_ms`` is ``None`` for an answer of this run.
    """

    request_id: int
    key: str
    model: str
    pictures: Sequence[AnswerPicture]
    kept: Path | None
    billed_microusd: int
    asked: bool = True
    tried: bool = False
    answered_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """What became of an answer. ``is_local``: this machine keeps its pictures away, and not the service.

    ``message`` says what its pictures lack, if not all are stored.
    """

    state: State
    reason: str | None = None
    message: str | None = None
    is_local: bool = False


@dataclass(frozen=True, slots=True)
class _Stored:
    """The names of the stored pictures, and why the others are not stored."""

    names: Sequence[Name]
    message: str | None


class Publisher:
    """The publisher of one run's answers: fetch or decode, check, publish, record, name. ``listen`` hears each end."""

    def __init__(self, desk: Desk, listen: Listener) -> None:
        self._desk = desk
        self._listen = listen
        disk = InProcess(desk)
        self._executor: Executor = IntoBucket(desk.bucket, disk) if desk.bucket else disk
        self._names = FileGroups(self._settle_all, threads=1)

    async def serve(self) -> None:
        """Write what is to be published until cancelled."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._executor.serve)
            tasks.start_soon(self._names.serve)

    async def publish(self, paid: Paid) -> Published:
        """Store what an answer holds: it is then stored, spoiled, or answered if another run may still do so.

        One good picture is enough: the message says what the others lack. Raise :class:`LedgerFailed` and
        :class:`OSError` if the disk fails.
        """
        tries = _Count()
        try:
            stored = await self._stored(paid, tries)
        except (DownloadFailed, NotAPicture) as error:
            published = await self._give_up(paid, error, tries)
            reason, message = published.reason, published.message
            self._listen(Ended(paid.key, paid.model, published.state, None, paid.billed_microusd, reason, message))
            return published
        if paid.kept is not None:
            # Litter from here on; a process that dies before this line leaves a file nobody reads.
            with contextlib.suppress(FileNotFoundError):
                await anyio.to_thread.run_sync(paid.kept.unlink)
        file = await self._named(stored.names)
        self._listen(Ended(paid.key, paid.model, State.STORED, file, paid.billed_microusd, message=stored.message))
        return Published(State.STORED, message=stored.message)

    async def _named(self, names: Sequence[Name]) -> str | None:
        """Make the names of a stored picture; return the first name."""
        settled = await self._names.do(names)
        if settled is not None:
            self._desk.ledger.settled(settled)
        return next((name.file for name in names if name.original is not None), None)

    def _settle_all(self, group: Sequence[Sequence[Name]]) -> Sequence[Settled | Exception | None]:
        """Settle the names of several answers; what became of all of them is the result of the first."""
        try:
            settled = self._desk.view.settle([name for names in group for name in names])
        except (OSError, LedgerDamaged) as error:
            if len(group) == 1:
                return [error]
            # One of them is at fault, and the others are as good as they were.
            return [result for names in group for result in self._settle_all([names])]
        return [settled, *([None] * (len(group) - 1))]

    async def _give_up(self, paid: Paid, error: DownloadFailed | NotAPicture, tries: _Count) -> Published:
        """Record why an answer is no picture: by its own fault for good, else until another run."""
        ledger = self._desk.ledger
        reason, message = "not_a_picture", str(error)
        if isinstance(error, DownloadFailed):
            reason = "download"
            if error.obstacle is Obstacle.LOCAL:
                reason = "download_refused"
            if error.obstacle is not Obstacle.NEVER and not (error.obstacle is Obstacle.GONE and _expired(paid)):
                await ledger.postpone(paid.request_id, reason=reason, message=message, downloads=tries.made)
                return Published(State.ANSWERED, reason, message, is_local=error.obstacle is Obstacle.LOCAL)
        await ledger.spoil(paid.request_id, reason=reason, message=message, downloads=tries.made)
        return Published(State.SPOILED, reason, message)

    async def _stored(self, paid: Paid, tries: _Count) -> _Stored:
        """Store the good pictures and record them. Raise the error of the first bad picture if none is good."""
        stored: list[AtRest] = []
        lacking: list[DownloadFailed | NotAPicture] = []
        for picture in paid.pictures:
            try:
                stored.append(await self._put(picture, paid, len(stored) + 1, tries))
            except (DownloadFailed, NotAPicture) as error:
                lacking.append(error)
        missing = next((one for one in lacking if _may_come(one)), None)
        if missing or not stored:
            # The next try finds stored pictures by their bytes.
            raise missing or lacking[0]
        message = None
        if lacking:
            message = (
                f"{len(lacking)} of {counted(len(paid.pictures), 'picture')} of the answer can't be used: {lacking[0]}"
            )
        names = await self._desk.ledger.store(
            paid.request_id,
            [one.picture for one in stored],
            folders=[*dict.fromkeys(folder for one in stored for folder in one.folders)],
            downloads=tries.made,
            message=message,
            takes_names=paid.asked,
        )
        self._desk.space.saw(sum(one.picture.bytes for one in stored))
        self._desk.looks.add(one.picture for one in stored)
        return _Stored(names, message)

    async def _put(self, picture: AnswerPicture, paid: Paid, ordinal: int, tries: _Count) -> AtRest:
        if picture.url is None:
            return await self._executor.put(PaidPicture(paid.request_id, paid.key, ordinal, picture))
        place = ArrivingPicture(self._desk.folder, paid.key, self._desk.space)
        try:
            content = await self._downloaded(picture.url, place, paid, tries)
            hosted = AnswerPicture(revised_prompt=picture.revised_prompt, content=content)
            return await self._executor.put(PaidPicture(paid.request_id, paid.key, ordinal, hosted, place))
        finally:
            place.discard()

    async def _downloaded(self, url: str, place: ArrivingPicture, paid: Paid, tries: _Count) -> bytes | memoryview:
        begun = anyio.current_time()
        try:
            return await self._fetched(url, place, tries)
        except DownloadFailed as error:
            # Most downloads succeed at once, and the policy costs as much as one: it counts this as its first attempt.
            first = error
        async for attempt in AsyncRetrying(
            sleep=anyio.sleep,
            retry=retry_if_exception(lambda error: isinstance(error, DownloadFailed)),
            stop=lambda state: not _is_tried_again(state, paid, anyio.current_time() - begun),
            wait=lambda state: download_wait_s(state.attempt_number, gone=_obstacle(state) is Obstacle.GONE),
            reraise=True,
        ):
            with attempt:
                if attempt.retry_state.attempt_number == 1:
                    raise first
                content = await self._fetched(url, place, tries)
        return content

    async def _fetched(self, url: str, place: ArrivingPicture, tries: _Count) -> bytes | memoryview:
        tries.made += 1
        arriving = DOWNLOAD_SINK.set(place)
        try:
            return (await self._desk.provider.download(url)).content
        finally:
            DOWNLOAD_SINK.reset(arriving)


class _Count:
    """The number of downloads that an answer took."""

    __slots__ = ("made",)

    def __init__(self) -> None:
        self.made = 0


def _obstacle(state: RetryCallState) -> Obstacle | None:
    error = state.outcome.exception() if state.outcome else None
    return error.obstacle if isinstance(error, DownloadFailed) else None


def _is_tried_again(state: RetryCallState, paid: Paid, elapsed_s: float) -> bool:
    match _obstacle(state):
        case Obstacle.PASSING:
            return state.attempt_number < _PASSING_TRIES
        case Obstacle.GONE:
            # Storage that lags behind answers 403 and 404 before it has the picture.
            return not paid.tried and elapsed_s < GONE_FOR_S
    return False


def _may_come(error: DownloadFailed | NotAPicture) -> bool:
    return isinstance(error, DownloadFailed) and error.obstacle is not Obstacle.NEVER


def _expired(paid: Paid) -> bool:
    """Return whether no service keeps the pictures of so old an answer any more."""
    return paid.answered_ms is not None and now_ms() - paid.answered_ms > KEPT_BY_SERVICES_MS
