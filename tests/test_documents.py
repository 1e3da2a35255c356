"""Every command, manifest and program that a document shows is run as it stands."""

import json
import re
import shlex
import shutil
import signal
import subprocess
import sys

import httpx
import pytest

from batchgen import load_manifest, plan
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.documents import ROOT, blocks, commands, typed
from tests.program import PROGRAM

NAMED = (
    *("datasets", "export", "index", "json", "manifest", "nights", "ranking", "report", "simulator", "takes"),
    "watching",
)
DOCUMENTS = ["README.md", *(f"docs/{name}.md" for name in NAMED)]

# The test below starts these, and ends them.
UNTIL_CTRL_C = "until Ctrl-C"


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with the examples in it, in which the documents' commands run one after the other."""
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "jobs", folder / "jobs")
    return folder


@pytest.fixture(scope="module")
def service():
    """The simulator in the place of the real service, for commands that want a key."""
    with embedded(Settings(latency_scale=0.05)) as endpoints:
        yield endpoints.api_url


def batchgen_commands(document):
    return [(note, line) for note, line in commands(document) if line.startswith("batchgen ")]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_of_a_document_work_one_after_the_other_as_printed(document, workplace, service):
    assert batchgen_commands(document)
    for note, command in batchgen_commands(document):
        if note == UNTIL_CTRL_C:
            continue
        key = {"IMAGEROUTER_API_KEY": "simulator", "IMAGEROUTER_BASE_URL": service} if note == "with a key" else {}
        done = typed(command, workplace, **key)
        assert done.returncode == 0, f"{command}: {done.stderr}"
        assert "Traceback" not in done.stderr


@pytest.mark.process
def test_a_command_that_serves_until_ctrl_c_says_where_and_ends_with_it():
    served = [line for document in DOCUMENTS for note, line in batchgen_commands(document) if note == UNTIL_CTRL_C]
    assert served
    for line in served:
        with subprocess.Popen([PROGRAM, *shlex.split(line)[1:]], stdout=subprocess.PIPE, text=True) as process:
            url = process.stdout.readline().strip()
            assert httpx.get(f"{url}/_simulator/health", trust_env=False).status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0


def test_every_field_of_the_summary_is_in_the_table(workplace):
    assert typed("batchgen run jobs/quickstart.yaml --out outputs/fields", workplace).returncode == 0
    summary = json.loads((workplace / "outputs/fields/summary.json").read_text(encoding="utf-8"))
    table = "\n".join(re.findall(r"^\| (`.*?) \|", (ROOT / "docs/nights.md").read_text("utf-8"), re.MULTILINE))
    told = set(re.findall(r"`(\w+)`", table))
    assert {name for name in summary if not name.endswith("_microusd")} <= told


def test_what_a_scheduler_starts_is_a_command_that_was_run():
    shown = {command for _, command in batchgen_commands("docs/nights.md")}
    started = [
        line.partition("batchgen ")[2].partition(" >>")[0].strip()
        for language in ("cron", "ini", "yaml")
        for _, text in blocks("docs/nights.md", language)
        for line in text.splitlines()
        if "batchgen run" in line
    ]
    assert len(started) == 3
    assert {f"batchgen {command}" for command in started} <= shown


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_what_the_page_on_datasets_reads_is_there_and_as_it_was_written(workplace, tmp_path, monkeypatch):
    monkeypatch.chdir(workplace)
    # The library reads its environment when it is imported, which another test may have done.
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    assert typed("batchgen run jobs/dataset.yaml --limit 6", workplace).returncode == 0
    rows = len((workplace / "outputs/dataset/metadata.jsonl").read_text().splitlines())
    texts = [text for _, text in blocks("docs/datasets.md", "python")]
    readers = [text for text in texts if "hub" not in text]
    assert len(readers) == 3
    for text in readers:
        names = {}
        exec(text, names)
        assert len(next(names[name] for name in ("pictures", "table", "lines") if name in names)) == rows
    duckdb = pytest.importorskip("duckdb")
    ((_, statement),) = blocks("docs/datasets.md", "sql")
    assert sum(count for _, count, _ in duckdb.sql(statement).fetchall()) == rows


def test_what_is_pushed_to_the_hub_leaves_the_ledger_and_the_votes_out_by_the_clients_own_filter(workplace):
    hub = pytest.importorskip("huggingface_hub.utils")
    typed("batchgen run jobs/dataset.yaml --limit 6", workplace)
    typed("batchgen compare outputs/dataset", workplace)
    folder = workplace / "outputs/dataset"
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    assert {".batchgen/ledger.db", "compare.html"} < set(files)
    (program,) = [text for _, text in blocks("docs/datasets.md", "python") if "upload_folder" in text]
    allowed = re.findall(r'"([^"]*)"', re.search(r"allow_patterns=\[(.*)\]", program)[1])
    (command,) = [line for _, line in commands("docs/datasets.md") if line.startswith("hf upload")]
    assert re.findall(r'--include "([^"]*)"', command) == allowed
    sent = set(hub.filter_repo_objects(files, allow_patterns=allowed))
    assert {name for name in sent if not name.startswith("images/")} == {
        "README.md",
        "metadata.jsonl",
        "dataset.parquet",
    }
    assert sum(name.startswith("images/") for name in sent) == len(list((folder / "images").rglob("*.*")))


def test_every_other_shell_line_is_run_by_the_continuous_integration():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    others = [(note, line) for note, line in commands("README.md") if not line.startswith("batchgen ")]
    for note, line in others:
        named = note.startswith("ci: ") and f"readme {note.removeprefix('ci: ')}" in script
        assert named or f"/{line}" in script, f"nothing runs: {line}"


def test_the_readme_s_manifest_is_sound(workplace):
    ((_, text),) = blocks("README.md", "yaml")
    (workplace / "mugs.csv").write_text("subject\nmug\nteapot\n", encoding="utf-8")
    (workplace / "mugs.yaml").write_text(text, encoding="utf-8")
    made = list(plan(load_manifest(workplace / "mugs.yaml")))
    # 2 subjects x (2 models x 2 styles - 1) x 2 repeats
    assert len(made) == 12
    assert made[0].parameters["prompt"] == "mug, loose watercolor on cold-press paper, studio light"


@pytest.mark.process
def test_the_readme_s_program_runs(workplace):
    ((_, text),) = blocks("README.md", "python")
    (workplace / "program.py").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=workplace, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "0 0.3138" in done.stdout
    assert len(list((workplace / "outputs/from-python/images").rglob("*.webp"))) == 12


def test_the_exit_codes_of_the_readme_are_those_of_the_program():
    from batchgen.errors import ExitCode

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = {int(code) for row in re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE) for code in row.split(",")}
    assert shown == {code.value for code in ExitCode}
