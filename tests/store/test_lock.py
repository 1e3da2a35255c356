"""One run per folder, however the holder ends."""

import os
import signal
import subprocess
import sys

import pytest

from batchgen.errors import FolderInUse
from batchgen.store.lock import holder, locked

HOLD = """
import sys, pathlib
from batchgen.store.lock import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def lock(tmp_path):
    return tmp_path / "lock"


@pytest.fixture
def other(lock):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, lock], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_is_refused_at_once_and_told_by_whom(lock, other):
    with pytest.raises(FolderInUse, match=rf"in use by process {other.pid} on \S+ since 20\d\d-"), locked(lock):
        pass
    assert f"process {other.pid} " in holder(lock)


def test_sigkill_of_the_holder_frees_the_folder(lock, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert holder(lock) is None
    with locked(lock):
        assert f"process {os.getpid()} " in holder(lock)


def test_the_lock_file_stays(lock):
    with locked(lock):
        inode = lock.stat().st_ino
    with locked(lock):
        assert lock.stat().st_ino == inode


def test_a_child_process_does_not_inherit_the_lock(lock):
    with locked(lock):
        child = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=False)
        # A child that answers has surely closed what it closes on exec.
        child.stdin.write(b"?")
        child.stdin.flush()
        assert child.stdout.read(1) == b"?"
    try:
        with locked(lock):
            pass
    finally:
        child.communicate()


def test_a_lock_that_is_a_link_is_not_followed(lock, tmp_path):
    (tmp_path / "precious").write_text("precious")
    lock.symlink_to(tmp_path / "precious")
    with pytest.raises(OSError), locked(lock):
        pass
    assert (tmp_path / "precious").read_text() == "precious"


def test_nobody_holds_a_folder_that_never_ran(lock):
    assert holder(lock) is None
