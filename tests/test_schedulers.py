"""The examples for schedulers, started as they are printed, with what a scheduler gives them: no path, no terminal."""

import configparser
import json
import re
import shutil
import subprocess
import tomllib

import pytest
import yaml

from batchgen.testing.loopback import Reply, loopback
from tests.documents import ROOT, blocks, commands
from tests.program import PROGRAM

pytestmark = pytest.mark.process

NIGHTS = "docs/nights.md"
PLACE = "/srv/icons"
CHECK = "https://hc-ping.com"


@pytest.fixture
def health():
    """A health check that remembers who reported."""
    with loopback() as service:
        service.reply = lambda _: Reply(200)
        yield service


@pytest.fixture
def site(tmp_path):
    """The folder of the examples, with the jobs and an environment that has the program."""
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / ".venv/bin/batchgen").symlink_to(PROGRAM)
    return tmp_path


@pytest.fixture
def started(site, health, tmp_path_factory):
    """Run a line with the environment of cron, which is about that of systemd; return what came of it."""

    def started(line, **environment):
        line = line.replace(PLACE, str(site)).replace(CHECK, health.url)
        home = tmp_path_factory.mktemp("home")
        return subprocess.run(
            ["/bin/sh", "-c", line],
            cwd=home,
            env={"PATH": "/usr/bin:/bin", "HOME": str(home), "SHELL": "/bin/sh", "LOGNAME": "icons", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
            start_new_session=True,
        )

    return started


def only(language):
    ((_, text),) = blocks(NIGHTS, language)
    return text


def units():
    """The two unit files of the example, by name."""
    parts = re.split(r"^# (batchgen\.\w+)\n", only("ini"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def dated(text):
    return re.findall(r"^\d{4}-\d\d-\d\d \d\d:\d\d (nightly: .*)$", text, re.MULTILINE)


def test_the_crontab_runs_two_nights_and_leaves_a_dated_line_for_each_and_reports_them(started, site, health):
    (entry,) = [line for line in only("cron").splitlines() if line[0].isdigit()]
    assert "%" not in entry, "cron takes a percent sign for a line break"
    line = entry.split(maxsplit=5)[5]
    for _ in range(2):
        done = started(line)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert dated((site / "nightly.log").read_text()) == [
        "nightly: 6 bought $0.306, 0 kept, 0 failed",
        "nightly: 0 bought, 6 kept, 0 failed",
    ]
    assert [one.path for one in health.seen] == ["/your-uuid/0"] * 2


def test_a_night_of_cron_that_fails_reports_its_exit_code_and_says_why_in_the_log(started, site, health):
    (site / "jobs/nightly.yaml").write_text("prompt: [")
    (entry,) = [line for line in only("cron").splitlines() if line[0].isdigit()]
    started(entry.split(maxsplit=5)[5])
    (said,) = dated((site / "nightly.log").read_text())
    assert said.startswith("nightly: nothing was sent; exit code 2: ")
    assert [one.path for one in health.seen] == ["/your-uuid/2"]


def test_the_service_of_systemd_starts_and_reports(started, site, health):
    service = configparser.ConfigParser(strict=False, interpolation=None)
    service.optionxform = str
    service.read_string(units()["batchgen.service"])
    section = service["Service"]
    assert section["WorkingDirectory"] == PLACE
    done = started(f"cd {PLACE} && exec {section['ExecStart']}")
    assert done.returncode == 0, done.stderr
    assert dated(done.stderr) == ["nightly: 6 bought $0.306, 0 kept, 0 failed"]
    assert started(section["ExecStopPost"], EXIT_STATUS="0").returncode == 0
    assert [one.path for one in health.seen] == ["/your-uuid/0"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_units(site, tmp_path):
    for name, text in units().items():
        (tmp_path / name).write_text(text.replace(PLACE, str(site)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in units())],
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "batchgen" in line]
    assert ours == []


def test_the_workflow_installs_the_program_before_it_runs_it_and_saves_what_was_paid_for(started, site, health):
    # YAML 1.1 reads the key `on` as true.
    workflow = yaml.safe_load(only("yaml"))
    steps = workflow["jobs"]["pictures"]["steps"]
    runs = [step["run"] for step in steps if "run" in step]
    distribution = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["name"]
    assert runs[0] == f"pip install {distribution}"
    assert any(line.endswith(f"/pip install {distribution}") for _, line in commands(NIGHTS))
    places = {step.get("uses", step.get("run", "")).split()[0]: place for place, step in enumerate(steps)}
    assert places["pip"] < places["actions/cache/restore@v4"] < places["batchgen"] < places["actions/cache/save@v4"]
    environment = {"PATH": f"{site}/.venv/bin:/usr/bin:/bin", "BATCHGEN_WEBHOOK": f"{health.url}/chat"}
    done = started(f"cd {PLACE} && {runs[1]}", **environment)
    assert done.returncode == 0, done.stderr
    assert started(runs[2]).returncode == 0
    chat, check = health.seen
    assert json.loads(chat.body)["text"].endswith(" nightly: 6 bought $0.306, 0 kept, 0 failed")
    assert check.path == "/your-uuid"
