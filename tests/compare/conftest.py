"""A browser for the page's tests, and the program as a process."""

import os
import signal
import subprocess
from contextlib import contextmanager

from tests.browser import CHROMIUM, SETTLED, browser, shared_page, until, visit
from tests.program import PROGRAM

__all__ = ["CHROMIUM", "PROGRAM", "SETTLED", "browser", "served", "shared_page", "until", "visit"]


@contextmanager
def served(folder, *words):
    """``batchgen compare FOLDER --serve`` as a process; gives its URL and ends it with Ctrl-C."""
    process = subprocess.Popen(
        [PROGRAM, "compare", str(folder), "--serve", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "XDG_CACHE_HOME": str(folder.parent / "cache")},
    )
    try:
        url = process.stdout.readline().strip()
        assert url, process.stderr.read()
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said
