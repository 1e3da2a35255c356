"""The container file, as far as it goes without an engine: its steps are taken in a folder, its command is run there.

What the base image holds, and that an engine builds the file, is not tested here.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.documents import ROOT

NOBODY = 65534
FILE = ROOT / "Containerfile"
IN_IMAGE = "/opt/batchgen"


def is_for_all(program):
    """Whether an account that is not root may start a program: a Python below /root is for root alone."""
    return all(path.stat().st_mode & 0o005 == 0o005 for path in Path(program).resolve().parents)


def usable(program):
    """Whether a Python can make environments and is for everybody."""
    if not Path(program).is_file() or not is_for_all(program):
        return False
    asked = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([program, "-c", asked], capture_output=True, check=False).returncode == 0


# The image's own Python is not here: one that everybody may start takes its place, if there is one.
PYTHON = next(
    (one for one in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3") if usable(one)), sys.executable
)


def steps():
    """``(instruction, words)`` of each line, without comments."""
    lines = [line for line in FILE.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return [tuple(line.split(" ", 1)) for line in lines]


def words_of(name):
    return [words for instruction, words in steps() if instruction == name]


def is_sent(path):
    """Whether the ignore file lets the engine see a file."""
    sent = True
    for rule in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if rule and not rule.startswith("#"):
            pattern, keeps = (rule[1:], True) if rule.startswith("!") else (rule, False)
            last = path.rpartition("/")[2]
            if fnmatch(path.partition("/")[0], pattern) or (pattern.startswith("**/") and fnmatch(last, pattern[3:])):
                sent = keeps
    return sent


def sources():
    return [source for words in words_of("COPY") if "--from" not in words for source in words.split()[:-1]]


def test_the_base_is_pinned_by_its_version_in_both_stages():
    bases = {words.split()[0] for words in words_of("FROM")}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-\w+", bases.pop())


def test_what_is_copied_is_there_is_sent_and_is_all_that_is_sent():
    assert all((ROOT / source).exists() and is_sent(source) for source in sources())
    seen = {path.name for path in ROOT.iterdir() if is_sent(path.name)}
    assert seen == {source.rstrip("/") for source in sources()}
    assert not is_sent("jobs/.env")


def test_it_runs_as_an_account_that_is_not_root_and_the_entry_gets_the_signals():
    order = [instruction for instruction, _ in steps()]
    (user,) = words_of("USER")
    assert f"useradd --uid 1000 --create-home {user}" in " ".join(words_of("RUN"))
    assert order.index("USER") < order.index("ENTRYPOINT")
    # A shell in between would hear SIGTERM in the place of the program.
    assert json.loads(words_of("ENTRYPOINT")[0]) == ["batchgen"]


@pytest.mark.slow
@pytest.mark.process
@pytest.mark.timeout(600)
def test_its_steps_taken_in_a_folder_leave_a_program_that_runs_the_quickstart_without_root():
    # Not below pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        root.chmod(0o755)
        _take_steps(root)
        work = root / "work"
        work.mkdir()
        work.chmod(0o777)
        command = [*json.loads(words_of("ENTRYPOINT")[0]), *json.loads(words_of("CMD")[0])]
        program, *words = [word.replace(IN_IMAGE, str(root / "image")) for word in command]
        done = subprocess.run(
            [root / "image/bin" / program, *words],
            cwd=work,
            env={"PATH": os.environ["PATH"], "HOME": str(work)},
            user=NOBODY if os.getuid() == 0 and is_for_all(PYTHON) else None,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert len(list((work / "outputs/quickstart/images").rglob("*.webp"))) == 12


def _take_steps(root):
    """Do what the COPY and RUN lines say that make the program, with the image's folder below ``root``."""
    source, image = root / "src", root / "image"
    source.mkdir()
    for words in words_of("COPY"):
        if "--from" in words:
            continue
        *names, target = words.replace(IN_IMAGE, str(image)).split()
        for name in names:
            to = source / target / name if target == "./" else source / target
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, to, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
            else:
                shutil.copyfile(ROOT / name, to)
    for words in words_of("RUN"):
        if words.startswith("useradd"):
            continue
        command = shlex.split(words.replace(IN_IMAGE, str(image)))
        if command[0] == "python":
            command[0] = PYTHON
        subprocess.run(command, cwd=source, check=True, timeout=500, stdout=subprocess.DEVNULL)
