"""One run per folder, however the holder ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from batchgen.errors import FolderInUse
from batchgen.store.folder.lock import holder, locked

HOLD = """
import sys, pathlib
from batchgen.store.folder.lock import locked
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


def claim_of(lock, host, *, silent_s):
    """The lock file as a run on another machine leaves it, whose lock doesn't reach here."""
    lock.write_text(f"process 7 on {host} since 2026-01-01 10:00:00, boot 00000000-0000-0000-0000-000000000000")
    moment = time.time() - silent_s
    os.utime(lock, (moment, moment))


def test_a_run_on_another_machine_that_was_there_a_moment_ago_is_respected(lock):
    claim_of(lock, "elsewhere", silent_s=60)
    assert "elsewhere" in holder(lock)
    with pytest.raises(FolderInUse, match="--force-unlock elsewhere"), locked(lock):
        pass
    assert sorted(lock.parent.iterdir()) == [lock]


def test_a_machine_that_has_been_silent_for_long_has_lost_its_claim(lock):
    claim_of(lock, "elsewhere", silent_s=121)
    assert holder(lock) is None
    with locked(lock):
        assert f"process {os.getpid()} " in holder(lock)


def test_a_claim_is_lifted_for_the_machine_that_is_named_and_no_other(lock):
    claim_of(lock, "elsewhere", silent_s=1)
    with pytest.raises(FolderInUse), locked(lock, force_unlock="nowhere"):
        pass
    with locked(lock, force_unlock="elsewhere"):
        pass


def test_an_orderly_end_leaves_no_claim(lock):
    with pytest.raises(ZeroDivisionError), locked(lock):
        raise ZeroDivisionError
    assert lock.read_bytes() == b""


def test_the_claim_is_renewed_while_the_folder_is_held(lock, monkeypatch):
    monkeypatch.setattr("batchgen.store.folder.lock.RENEWED_EVERY_S", 0.01)
    with locked(lock):
        os.utime(lock, (1, 1))
        give_up = time.monotonic() + 20
        while lock.stat().st_mtime == 1:
            assert time.monotonic() < give_up
            time.sleep(0.01)


def test_whoever_opened_the_file_before_its_holder_deleted_it_does_not_hold_the_folder(lock, monkeypatch):
    opened = os.open

    def delayed(path, *rest):
        handle = opened(path, *rest)
        # Meanwhile its holder deletes it, and a third run makes and claims a new one.
        lock.unlink()
        lock.write_text("process 1 on elsewhere since 2026-01-01 00:00:00, boot -")
        return handle

    monkeypatch.setattr("batchgen.store.folder.lock.os.open", delayed)
    with pytest.raises(FolderInUse, match="given up by another run"), locked(lock):
        pass
