"""The program `batchgen`, run in this process or as one of its own; both give what `subprocess.run` would."""

import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest import mock

from batchgen.cli.main import main

# The line that a run leaves in its log: what it says changes with the clock.
_DATED = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d \S[^\n]*\n", re.MULTILINE)

PROGRAM = Path(sys.executable).with_name("batchgen")


def run_here(folder, *words, **environment):
    """Run `batchgen WORDS` in this process, in ``folder``, with ``environment`` added; nothing of it stays behind.

    The dated line of a run is in ``dated``, apart from the rest of ``stderr``.
    """
    words = list(map(str, words))
    with (
        contextlib.chdir(folder),
        mock.patch.dict(os.environ, {"COLUMNS": "80", **environment}),
        _captured(1, "stdout") as stdout,
        _captured(2, "stderr") as stderr,
    ):
        code = main(words)
    ((said,), (told,)) = (stdout, stderr)
    done = subprocess.CompletedProcess(["batchgen", *words], code, said, _DATED.sub("", told))
    done.dated = "".join(_DATED.findall(told))
    return done


def run_as_process(folder, *words, timeout=60, **environment):
    """Run `batchgen WORDS` as a process in ``folder``, with ``environment`` added."""
    return subprocess.run(
        [PROGRAM, *map(str, words)],
        cwd=folder,
        env={**os.environ, "COLUMNS": "80", **environment},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@contextlib.contextmanager
def _captured(number, name):
    """Send the descriptor and the stream of that name to a file, for children write to the descriptor.

    Yields a list that holds the text once the block has ended.
    """
    before, stream, text = os.dup(number), getattr(sys, name), []
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as file:
        try:
            os.dup2(file.fileno(), number)
            with io.TextIOWrapper(os.fdopen(os.dup(number), "wb"), encoding="utf-8", line_buffering=True) as replaced:
                setattr(sys, name, replaced)
                yield text
        finally:
            setattr(sys, name, stream)
            os.dup2(before, number)
            os.close(before)
        file.seek(0)
        text.append(file.read())
