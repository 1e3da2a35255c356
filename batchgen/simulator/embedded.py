"""The simulator as a child process that runs exactly as long as a block."""

from __future__ import annotations

import contextlib
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from batchgen.simulator.endpoints import Endpoints
from batchgen.simulator.settings import Settings

_READY_TIMEOUT_S = 30.0
_END_TIMEOUT_S = 10.0
_TAIL_CHARACTERS = 2_000


class SimulatorFailed(RuntimeError):
    """The simulator's process did not start; the message ends with its last output."""


@contextlib.contextmanager
def embedded(
    settings: Settings, state: Path | None = None, *, timeout_s: float = _READY_TIMEOUT_S
) -> Iterator[Endpoints]:
    """Run a simulator and yield its URLs. Raise ``SimulatorFailed`` if it isn't ready in time.

    It ignores Ctrl-C, so that a run can drain, and ends when this process ends, even by SIGKILL.
    """
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            _command(settings, state),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=_environment(),
            start_new_session=True,
        )
        try:
            yield _endpoints(process, errors, timeout_s)
        finally:
            _end(process)


def _command(settings: Settings, state: Path | None) -> list[str]:
    command = [sys.executable, "-m", "batchgen.simulator", "--until-stdin-closes", "--settings", settings.to_json()]
    return [*command, "--state", str(state.absolute())] if state else command


def _environment() -> dict[str, str]:
    """Return our environment, with the same import path whether or not batchgen is installed."""
    return {
        # glibc gives the memory of every picture back and faults it in again: a quarter of the CPU of drawing.
        "MALLOC_MMAP_THRESHOLD_": "100000000",
        "MALLOC_TRIM_THRESHOLD_": "100000000",
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


def _endpoints(process: subprocess.Popen[bytes], errors: IO[bytes], timeout_s: float) -> Endpoints:
    """Return the URLs from the first line of the process. A thread reads it: a pipe has no timeout of its own."""
    lines: queue.Queue[bytes] = queue.Queue()
    assert process.stdout is not None
    threading.Thread(target=lambda pipe: lines.put(pipe.readline()), args=(process.stdout,), daemon=True).start()
    try:
        line = lines.get(timeout=timeout_s)
    except queue.Empty:
        raise SimulatorFailed(f"the simulator was not ready after {timeout_s:g} s{_tail(errors)}") from None
    try:
        return msgspec.json.decode(line, type=Endpoints)
    except msgspec.MsgspecError:
        raise SimulatorFailed(f"the simulator ended before it was ready{_tail(errors)}") from None


def _tail(errors: IO[bytes]) -> str:
    errors.seek(0)
    text = errors.read().decode(errors="replace").strip()
    return f":\n{text[-_TAIL_CHARACTERS:]}" if text else ""


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process by closing its stdin; kill it if that does not end it in time."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    try:
        process.wait(_END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
