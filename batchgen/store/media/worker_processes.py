"""Worker processes for strangers' pictures: as many as there are processors, none for longer than its time."""

from __future__ import annotations

import contextlib
import enum
import os
import queue
import select
import subprocess
import sys
from collections.abc import Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Self

TIME_CAP_S = 20.0

MOST_WORKERS = 8
# So many jobs are handed out at a time: a million pictures don't make a million futures.
_HANDFUL = 256
# A hundred million pixels of four bytes, once decoded and once converted, and Pillow itself.
_MEMORY_BYTES = 2 << 30


class NoAnswer(enum.Enum):
    """Why a worker gave no answer: it took longer than its time, or its process died."""

    TOO_SLOW = enum.auto()
    CRASHED = enum.auto()


class WorkerProcesses:
    """A block that owns processes of a module; they start with their first job and end with the block.

    Jobs and answers are single lines.
    """

    def __init__(self, module: str, *, count: int | None = None, most: int = MOST_WORKERS, time_cap_s: float) -> None:
        number = count or max(1, min(os.cpu_count() or 1, most, MOST_WORKERS))
        self._workers = [_Worker(module, time_cap_s) for _ in range(number)]
        self._free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        for worker in self._workers:
            self._free.put(worker)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in self._workers:
            worker.end()

    def answers(self, jobs: Iterable[bytes]) -> Generator[bytes | NoAnswer, None, None]:
        """Return the answer to each of ``jobs``, in their order."""
        rest = iter(jobs)
        with ThreadPoolExecutor(len(self._workers)) as threads:
            try:
                while some := list(islice(rest, _HANDFUL)):
                    yield from threads.map(self.answer, some)
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def answer(self, job: bytes) -> bytes | NoAnswer:
        """Return the answer to one job, once a worker is free for the job."""
        worker = self._free.get()
        try:
            return worker.answer(job)
        finally:
            self._free.put(worker)


class _Worker:
    """One child process, which is killed if a job takes too long, and replaced for the next job."""

    def __init__(self, module: str, time_cap_s: float) -> None:
        self._module = module
        self._time_cap_s = time_cap_s
        self._process: subprocess.Popen[bytes] | None = None

    def answer(self, job: bytes) -> bytes | NoAnswer:
        process = self._process = self._process or _start(self._module)
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        with contextlib.suppress(OSError):  # the process died: the empty line says so
            process.stdin.write(job + b"\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], self._time_cap_s)[0]:
                self.end()
                return NoAnswer.TOO_SLOW
            line = process.stdout.readline()
        if not line.endswith(b"\n"):
            self.end()
            return NoAnswer.CRASHED
        return line

    def end(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        # Closes the pipes as well, and leaves no zombie.
        with process, contextlib.suppress(OSError):
            pass


def _start(module: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(  # noqa: S603 - a module of our own
        [sys.executable, "-m", module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        # Ctrl-C is the parent's to answer.
        start_new_session=True,
    )


def cap_memory() -> None:
    """Limit the memory of this process, a worker's: a stranger's picture can exhaust a decoder."""
    import resource

    with contextlib.suppress(ValueError, OSError):  # not every system can
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
