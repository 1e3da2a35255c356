"""A run folder of another account: a group reads it if the umask lets it; whatever can't be done is one sentence."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.program import PROGRAM, run_here

NOBODY, GROUP = 65_534, 4_242
READERS = ["status", "verify", "rank"]
WRITERS = ["report", "compare"]

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can be somebody else"),
]

JOB = "provider: simulator\nprompt: mug\ndefaults: {model: test/test, size: 64x64}\n"


@pytest.fixture(scope="module")
def bought():
    """A run folder that was made with the umask 027 and belongs to a group."""
    # Not pytest's own, which only its owner may enter.
    place = Path(tempfile.mkdtemp(prefix="batchgen-accounts-"))
    place.chmod(0o755)
    (place / "job.yaml").write_text(JOB, encoding="utf-8")
    before = os.umask(0o027)
    try:
        assert run_here(place, "run", "job.yaml", "--out", "bought").returncode == 0
    finally:
        os.umask(before)
    yield place / "bought"
    shutil.rmtree(place)


@pytest.fixture
def folder(bought):
    copy = bought.with_name("copy")
    shutil.copytree(bought, copy)
    for path in (copy, *copy.rglob("*")):
        os.chown(path, 0, GROUP)
    yield copy
    shutil.rmtree(copy)


def read_by_the_group(command, folder):
    somebody = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--groups", str(GROUP)]
    # Where the interpreter is may be closed to others; that says nothing of batchgen.
    if subprocess.run([*somebody, PROGRAM, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("the program can't be started by another account here")
    words = [*somebody, PROGRAM, command, folder.name]
    return subprocess.run(words, cwd=folder.parent, capture_output=True, text=True, timeout=60, check=False)


def is_refused_in_a_sentence(done, words):
    assert done.returncode == 2, done.stderr
    assert words in " ".join(done.stderr.split())
    assert done.stderr.count("batchgen: ") == 1
    assert "Traceback" not in done.stderr


def test_answers_are_never_the_group_s(folder):
    rights = {path.name: path.stat().st_mode & 0o777 for path in (folder / ".batchgen").iterdir()}
    assert rights["answers"] == 0o700
    assert rights["ledger.db"] == 0o640
    assert (folder / ".batchgen").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("command", READERS)
def test_a_group_reads_what_it_may(folder, command):
    done = read_by_the_group(command, folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", READERS)
def test_a_group_reads_a_ledger_without_a_log_beside_which_it_may_not_write(folder, command):
    for log in (folder / ".batchgen").glob("ledger.db-*"):
        log.unlink()
    done = read_by_the_group(command, folder)
    assert done.returncode == 0, done.stderr
    assert not list((folder / ".batchgen").glob("ledger.db-*"))


@pytest.mark.parametrize("command", READERS + WRITERS)
def test_a_log_that_only_its_owner_can_use_is_told(folder, command):
    (folder / ".batchgen/ledger.db-shm").unlink(missing_ok=True)
    log = folder / ".batchgen/ledger.db-wal"
    log.write_bytes(b"\0" * 5000)
    log.chmod(0o600)
    is_refused_in_a_sentence(read_by_the_group(command, folder), "a run goes on, or was killed")


@pytest.mark.parametrize("closed", [".batchgen", ".batchgen/ledger.db"])
@pytest.mark.parametrize("command", READERS + WRITERS)
def test_a_folder_that_is_closed_to_others_is_told(folder, command, closed):
    (folder / closed).chmod(0o700)
    is_refused_in_a_sentence(read_by_the_group(command, folder), "may not read it")


@pytest.mark.parametrize("command", WRITERS)
def test_what_would_be_written_into_another_s_folder_is_told(folder, command):
    is_refused_in_a_sentence(read_by_the_group(command, folder), "may not write there")


def test_pictures_that_are_closed_to_others_are_told(folder):
    (folder / ".batchgen/pictures").chmod(0o700)
    is_refused_in_a_sentence(read_by_the_group("verify", folder), "this account may not use it (permission denied)")
