"""Small real disks, for tests that fill them."""

import contextlib
import os
import shutil
import subprocess

import pytest


@contextlib.contextmanager
def small_disk(place, size="4m"):
    """A tmpfs of that size at ``place``; the test is skipped where one can't be mounted."""
    place.mkdir()
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("only root can mount a small disk")
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", place], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], check=True)


def fill(place, leave=0):
    """Leaves ``leave`` bytes free on the disk at ``place``."""
    found = os.statvfs(place)
    filler = place / "filler"
    with filler.open("ab") as stream, contextlib.suppress(OSError):
        os.posix_fallocate(stream.fileno(), 0, max(1, found.f_bavail * found.f_frsize - leave))
    return filler
