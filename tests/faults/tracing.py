"""The program's system calls: killed at one, failed at one, or written down in their order."""

import os
import re
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

STRACE = Path("/usr/bin/strace")


@cache
def _traces():
    """Whether a tracer is here and the kernel lets it trace."""
    return STRACE.exists() and subprocess.run([STRACE, "-qq", "-o", "/dev/null", "true"], check=False).returncode == 0


needs_strace = pytest.mark.skipif(not _traces(), reason="strace is not here, or may not trace")


def killed_at(calls, number):
    """A prefix that kills the program at the ``number``-th of ``calls`` that one of its threads makes."""
    return _traced(calls, "-e", f"inject={calls}:signal=KILL:when={number}")


_DYING = """
import itertools, os, re, signal
_real, _count = os.CALL, itertools.count(1)
def _path(given):
    return os.readlink(f"/proc/self/fd/{given}") if isinstance(given, int) else str(given)
def _dying(*args, **kwargs):
    fatal = re.search(OF, " ".join(map(_path, args))) is not None and next(_count) == NUMBER
    if fatal and not AFTER:
        os.kill(os.getpid(), signal.SIGKILL)
    result = _real(*args, **kwargs)
    if fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return result
os.CALL = _dying
"""


def dying_at(call, number, folder, *, of="", after=False):
    """An environment in which the program dies at, or ``after``, its ``number``-th ``os.link``, ``os.fsync`` and so on.

    A tracer counts for each thread alone; this counts for all of them, and only what Python itself calls. ``of`` is a
    pattern that the paths of a call must match to be counted.
    """
    text = _DYING.replace("CALL", call).replace("NUMBER", str(number))
    text = text.replace("OF", repr(of)).replace("AFTER", repr(after))
    (folder / "sitecustomize.py").write_text(text, encoding="utf-8")
    return {"PYTHONPATH": os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))}


def failed_at(calls, number, error):
    """A prefix that makes the ``number``-th of ``calls`` fail with ``error``; ``5+`` is the fifth and all after."""
    return _traced(calls, "-e", f"inject={calls}:error={error}:when={number}")


def written_down(calls, file):
    """A prefix that writes ``calls`` with the paths of their files into ``file``."""
    return [STRACE, "-f", "--seccomp-bpf", "-y", "-qq", "-s", "4300", "-o", file, "-e", f"trace={calls}"]


def _traced(calls, *more):
    return [STRACE, "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", f"trace={calls}", *more]


@dataclass(frozen=True)
class Call:
    """One system call: its name, what it was given, and when it began and ended, as places in the trace."""

    name: str
    text: str
    began: int
    ended: int


def calls_in(file):
    """The calls of a trace, in the order in which they ended."""
    begun, found = {}, []
    for place, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines()):
        thread, _, rest = line.partition(" ")
        rest = rest.strip()
        if rest.endswith("<unfinished ...>"):
            begun[thread] = (place, rest)
        elif resumed := re.match(r"<\.\.\. (\w+) resumed>(.*)", rest):
            began, text = begun.pop(thread)
            found.append(Call(resumed[1], text + resumed[2], began, place))
        elif called := re.match(r"(\w+)\(", rest):
            found.append(Call(called[1], rest, place, place))
    return found
