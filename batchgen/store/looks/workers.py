"""Worker processes that make pictures small: as many as there are processors, none for longer than its time."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Self

import msgspec

from batchgen.store.looks.worker import Look, LookTask

TIME_CAP_S = 20.0

_MOST_WORKERS = 8
# So many jobs are handed out at a time: a million pictures don't make a million futures.
_HANDFUL = 256


class LookWorkers:
    """A block that owns its workers; they start with their first job and end with the block."""

    def __init__(
        self, *, workers: int | None = None, most: int = _MOST_WORKERS, time_cap_s: float = TIME_CAP_S
    ) -> None:
        count = workers or min(os.cpu_count() or 1, most, _MOST_WORKERS)
        self._workers = [_Worker(time_cap_s) for _ in range(count)]
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

    def shrink_all(self, jobs: Iterable[LookTask]) -> Iterator[Look]:
        """Return the look of each of ``jobs``, in their order; a picture that fails is a look with a problem."""
        rest = iter(jobs)
        with ThreadPoolExecutor(len(self._workers)) as threads:
            try:
                while some := list(islice(rest, _HANDFUL)):
                    yield from threads.map(self._shrink, some)
            finally:
                threads.shutdown(wait=False, cancel_futures=True)

    def _shrink(self, job: LookTask) -> Look:
        worker = self._free.get()
        try:
            return worker.shrink(job)
        finally:
            self._free.put(worker)


class _Worker:
    """One child process, which is killed if a job takes too long, and replaced for the next job."""

    def __init__(self, time_cap_s: float) -> None:
        self._time_cap_s = time_cap_s
        self._process: subprocess.Popen[bytes] | None = None

    def shrink(self, job: LookTask) -> Look:
        process = self._process = self._process or _start()
        assert process.stdin is not None
        assert process.stdout is not None
        line = b""
        with contextlib.suppress(OSError):  # the process died: the empty line says so
            process.stdin.write(msgspec.json.encode(job) + b"\n")
            process.stdin.flush()
            if not select.select([process.stdout], [], [], self._time_cap_s)[0]:
                self.end()
                return Look(job.sha256, f"not made small within {self._time_cap_s:g} s")
            line = process.stdout.readline()
        try:
            return msgspec.json.decode(line, type=Look)
        except msgspec.MsgspecError:
            self.end()
            return Look(job.sha256, "its decoder crashed")

    def end(self) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        process.kill()
        # Closes the pipes as well, and leaves no zombie.
        with process, contextlib.suppress(OSError):
            pass


def _start() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "batchgen.store.looks.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        # Ctrl-C is the parent's to answer.
        start_new_session=True,
    )
