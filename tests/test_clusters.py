"""The commands of the page on clusters, typed into a real shell, and what it shows for schedulers."""

import os
import re
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing

import httpx
import pytest
import yaml

from batchgen.errors import ExitCode
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.documents import ROOT, blocks
from tests.program import PROGRAM

CLUSTERS = "docs/clusters.md"

pytestmark = pytest.mark.process


@pytest.fixture
def shell(tmp_path):
    """Run a line in a folder with the examples in it; return what came of it."""
    shutil.copytree(ROOT / "jobs", tmp_path / "jobs")

    def shell(line, **environment):
        return subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env={**os.environ, "PATH": f"{PROGRAM.parent}:/usr/bin:/bin", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return shell


@pytest.mark.timeout(300)
def test_the_commands_of_the_page_work_one_after_the_other(shell, tmp_path):
    for _, text in blocks(CLUSTERS, "sh"):
        for line in text.splitlines():
            done = shell(line)
            assert done.returncode == 0, f"{line}: {done.stderr}"
    folders = sorted(path.name for path in (tmp_path / "outputs").iterdir())
    assert folders == [*(f"dataset-{index}-of-4" for index in range(4)), "together"]


def test_the_line_that_reuses_the_shards_is_the_one_that_a_refusal_names(shell, tmp_path):
    for index in range(4):
        assert shell(f"batchgen run jobs/dataset.yaml --shard {index}/4 --limit 1").returncode == 0
    ((_, line),) = blocks(CLUSTERS, "yaml")
    refused = shell("batchgen run jobs/dataset.yaml")
    assert (refused.returncode, line.strip().replace('"', "") in refused.stderr) == (2, True)
    job = tmp_path / "jobs/dataset.yaml"
    job.write_text(f"{job.read_text(encoding='utf-8')}\n{line}", encoding="utf-8")
    done = shell("batchgen run jobs/dataset.yaml")
    assert (done.returncode, "4 reused" in done.stderr) == (0, True), done.stderr


@pytest.fixture
def service(tmp_path):
    """One simulated service for all shards; what it charged, and how often for which body, is in its bill."""
    with embedded(Settings(latency_scale=0.1, rate_limits=False, balance_usd=1_000)) as endpoints:
        yield endpoints.api_url


@pytest.fixture
def dataset(shell, service, tmp_path):
    """The manifest of the examples, which asks that service."""
    job = tmp_path / "jobs/dataset.yaml"
    text = job.read_text(encoding="utf-8")
    changed = text.replace("\nprovider: simulator\n", f"\nprovider: {{kind: simulator, base_url: '{service}'}}\n")
    assert changed != text
    job.write_text(changed, encoding="utf-8")
    return job


def bill(url):
    return httpx.get(f"{url}/_simulator/billing", trust_env=False).json()


def bought(tmp_path):
    """Return how often each key was bought, by the ledgers of four shards."""
    keys = Counter()
    for index in range(4):
        ledger = tmp_path / f"outputs/dataset-{index}-of-4/.batchgen/ledger.db"
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as db:
            rows = db.execute(
                "SELECT key FROM attempts a JOIN requests r ON r.id = a.request_id WHERE a.outcome = 'billed'"
            )
            keys.update(key for (key,) in rows)
    return keys


def array_task(tmp_path, index):
    """Start a task of the array as SLURM does: the script itself, with the task's number."""
    return subprocess.Popen(
        ["bash", ROOT / "docs/clusters/array.sbatch"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{PROGRAM.parent}:/usr/bin:/bin", "SLURM_ARRAY_TASK_ID": str(index)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.timeout(300)
def test_the_array_buys_the_plan_and_nothing_twice_also_if_a_task_is_requeued(dataset, service, tmp_path):
    tasks = [array_task(tmp_path, index) for index in range(4)]
    pictures = tmp_path / "outputs/dataset-3-of-4/images"
    deadline = time.monotonic() + 60
    while not list(pictures.rglob("*.webp")) and time.monotonic() < deadline:
        # The first picture is the sign that requests are under way: a signal then finds some.
        time.sleep(0.01)
    tasks[3].send_signal(signal.SIGTERM)
    codes = []
    for task in tasks:
        _, err = task.communicate(timeout=120)
        codes.append(task.returncode)
        assert "Traceback" not in err
    assert codes == [0, 0, 0, 143]
    before = bill(service)["billed"]
    assert before < 72
    again = array_task(tmp_path, 3)
    assert (again.communicate(timeout=120)[0], again.returncode) == ("outputs/dataset-3-of-4\n", 0)
    billed = bill(service)
    # Twelve prompts by three models, two pictures each: their bodies are equal, and their keys are not.
    assert billed["billed"] == 72
    assert {one["billed"] for one in billed["bodies"].values()} == {2}
    assert set(bought(tmp_path).values()) == {1}
    assert len(bought(tmp_path)) == 72


def test_the_array_s_script_is_one_that_bash_reads_and_counts_what_it_starts():
    script = ROOT / "docs/clusters/array.sbatch"
    assert subprocess.run(["bash", "-n", script], check=False).returncode == 0
    text = script.read_text(encoding="utf-8")
    last, shards = re.search(r"--array=0-(\d+)$", text, re.MULTILINE), re.search(r"^SHARDS=(\d+)$", text, re.MULTILINE)
    assert int(last[1]) + 1 == int(shards[1])
    # sbatch stops looking for its options at the first command.
    assert text.rindex("#SBATCH") < text.index("SHARDS=")


@pytest.fixture
def indexed_job():
    return yaml.safe_load((ROOT / "docs/clusters/indexed-job.yaml").read_text(encoding="utf-8"))


def test_the_indexed_job_has_what_a_shard_needs(indexed_job):
    job = indexed_job
    spec, pod = job["spec"], job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (job["apiVersion"], job["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    assert container["command"][2].endswith(f'"$JOB_COMPLETION_INDEX/{spec["completions"]}"')
    # Both policies are allowed with this alone.
    assert pod["restartPolicy"] == "Never"
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    (codes,) = [rule["onExitCodes"] for rule in spec["podFailurePolicy"]["rules"] if "onExitCodes" in rule]
    assert codes["containerName"] == container["name"]
    mended = {ExitCode.STOPPED, ExitCode.IN_USE, ExitCode.INTERRUPTED, ExitCode.TERMINATED, ExitCode.OK}
    assert set(codes["values"]) == set(ExitCode) - mended


def test_the_indexed_job_is_one_by_the_schema_of_kubernetes(indexed_job):
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    kubernetes_validate.validate(indexed_job, kubernetes_validate.latest_version(), strict=True)


def test_a_pod_of_the_indexed_job_runs_its_shard(shell, dataset, service, indexed_job):
    program, flag, line = indexed_job["spec"]["template"]["spec"]["containers"][0]["command"]
    done = shell(f"{program} {flag} {shlex.quote(line)}", JOB_COMPLETION_INDEX="2")
    assert (done.returncode, done.stdout) == (0, "outputs/dataset-2-of-4\n"), done.stderr
    # A pod without an index, as of a Job that is not Indexed, buys nothing.
    before = bill(service)["billed"]
    done = shell(f"{program} {flag} {shlex.quote(line)}")
    assert (done.returncode, "has no number before the slash" in done.stderr) == (2, True)
    assert bill(service)["billed"] == before


def test_the_matrix_is_a_workflow():
    done = subprocess.run(
        [
            *(sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"),
            ROOT / "docs/clusters/matrix.yml",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.timeout(300)
def test_the_steps_of_the_matrix_run_as_printed(shell, dataset, service):
    jobs = yaml.safe_load((ROOT / "docs/clusters/matrix.yml").read_text(encoding="utf-8"))["jobs"]
    matrix = jobs["shard"]["strategy"]["matrix"]["shard"]
    (line,) = [step["run"] for step in jobs["shard"]["steps"] if "batchgen run" in step.get("run", "")]
    for shard in matrix:
        done = shell(line.replace("${{ matrix.shard }}", str(shard)))
        assert done.returncode == 0, done.stderr
    assert bill(service)["billed"] == 72
    for step in jobs["together"]["steps"]:
        if step.get("run", "").startswith("batchgen"):
            done = shell(step["run"])
            assert (done.returncode, "missing here" in done.stderr) == (0, False), done.stderr


@pytest.mark.timeout(300)
def test_the_figures_of_the_page_on_arithmetic_can_be_measured_again(tmp_path):
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks/scale.py", "--count", "60", "--folder", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    measured = {line.split(" | ")[0].removeprefix("| ") for line in done.stdout.splitlines() if line.startswith("| ")}
    assert {"1", "4", "ledger", "the whole", "shard 0/16", "four ledgers into one", "the report of one"} <= measured


def test_the_arithmetic_of_the_page_is_right():
    text = (ROOT / "docs/arithmetic.md").read_text(encoding="utf-8")
    table = {
        name: cells
        for name, *cells in (
            re.split(r" *\| *", line.strip("| ")) for line in text.splitlines() if line.startswith("| ")
        )
    }
    days = (1, 7, 30)
    for place, (requests, length) in enumerate(zip((1e6, 1e7, 1e8), days, strict=True)):
        a_second = requests / (length * 86_400)
        for row, expected, unit in (
            ("pictures a second", a_second, ""),
            ("requests under way (`concurrency`)", a_second * 10, ""),
            ("processor of the client", a_second * 0.0044 * 100, " %"),
            ("bandwidth, downloaded as files", a_second * 12, " Mbit/s"),
            ("the same as base64 in answers", a_second * 16, " Mbit/s"),
            ("pictures on disk", requests * 1.5e6 / 1e12, " TB"),
            ("ledgers", requests * 1_212 / 1e9, " GB"),
            ("`metadata.jsonl`, `dataset.parquet`, `report.csv`", requests * 1_008 / 1e9, " GB"),
            ("memory of the report", requests * 459 / 1e9, " GB"),
        ):
            written = table[row][place].removesuffix(" of a core").removesuffix(unit)
            assert float(written) == pytest.approx(expected, rel=0.1), (row, place)
