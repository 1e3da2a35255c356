"""Worker processes that make pictures small."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import tee
from types import TracebackType
from typing import Self

import msgspec

from batchgen.store.looks.worker import Look, LookTask
from batchgen.store.media.worker_processes import MOST_WORKERS, TIME_CAP_S, NoAnswer, WorkerProcesses

_MODULE = "batchgen.store.looks.worker"


class LookWorkers:
    """A block that owns its workers; they start with their first job and end with the block."""

    def __init__(self, *, workers: int | None = None, most: int = MOST_WORKERS, time_cap_s: float = TIME_CAP_S) -> None:
        self._time_cap_s = time_cap_s
        self._processes = WorkerProcesses(_MODULE, count=workers, most=most, time_cap_s=time_cap_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.__exit__(kind, error, trace)

    def shrink_all(self, jobs: Iterable[LookTask]) -> Iterator[Look]:
        """Return the look of each of ``jobs``, in their order; a picture that fails is a look with a problem."""
        sent, asked = tee(jobs)
        with closing(self._processes.answers(map(msgspec.json.encode, sent))) as answers:
            for job, answer in zip(asked, answers, strict=True):
                yield self._look(job, answer)

    def _look(self, job: LookTask, answer: bytes | NoAnswer) -> Look:
        if answer is NoAnswer.TOO_SLOW:
            return Look(job.sha256, f"not made small within {self._time_cap_s:g} s")
        try:
            return msgspec.json.decode(answer if isinstance(answer, bytes) else b"", type=Look)
        except msgspec.MsgspecError:
            return Look(job.sha256, "its decoder crashed")
