"""Night after night: only what changed is bought, by the service's own books."""

import json
import random
import shutil
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from batchgen.simulator.embedded import embedded
from batchgen.simulator.faults import Fault
from batchgen.simulator.settings import Settings
from tests import ledgers
from tests.documents import ROOT
from tests.program import run_here

PROMPTS = Path(__file__).parents[2] / "shared/data/PartiPrompts.tsv"
ROWS = 1632
MODELS = ("test/test", "black-forest-labs/FLUX-1-schnell")

WORDS = (
    "amber",
    "blue",
    "cat",
    "dog",
    "elm",
    "fox",
    "gold",
    "hill",
    "ink",
    "jar",
    "kite",
    "lamp",
    "moon",
    "nest",
    "oak",
)


class Nights:
    """A folder with a manifest, and the program that cron would start in it."""

    def __init__(self, service, folder, rows, prompt, *, models=("test/test",), **more):
        self.folder = folder
        self.service = service
        self.models = len(models)
        self.rows = rows
        job = {
            "provider": {"kind": "simulator", "base_url": service.api_url},
            "prompt": prompt,
            "rows": rows.name,
            "defaults": {"size": "64x64"},
            "matrix": {"model": list(models)},
            "limits": {"concurrency": 64, "adaptive": False, "budget_usd": 400},
            **more,
        }
        (folder / "job.yaml").write_text(json.dumps(job))

    def write(self, lines):
        self.rows.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def lines(self):
        return self.rows.read_text(encoding="utf-8").splitlines()

    def run(self, *options):
        done = run_here(self.folder, "run", "job.yaml", *options)
        assert done.returncode == 0, done.stderr
        return done

    def plan(self, *options):
        done = run_here(self.folder, "plan", "job.yaml", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def bought(self):
        """How often each request was billed, by the service's own books: their idempotency keys begin with its key."""
        lines = [json.loads(line) for line in self.service.books.read_text().splitlines()]
        return Counter(line["idempotency_key"].split("-")[0] for line in lines if line.get("outcome") == "billed")

    def prompts(self, keys):
        """The prompts of these keys, as metadata.jsonl has them."""
        return Counter(line["prompt"] for line in self.metadata() if line["key"] in keys)

    def names(self):
        return [path for path in (self.folder / "outputs/job/images").rglob("*") if path.is_file()]

    def metadata(self):
        text = (self.folder / "outputs/job/metadata.jsonl").read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


@dataclass(frozen=True)
class Service:
    """A simulator that outlives the runs, and the file of its books."""

    api_url: str
    books: Path


@contextmanager
def opened(state):
    with embedded(Settings(latency_s=0.0, rate_limits=False, balance_usd=1_000), state) as endpoints:
        yield Service(endpoints.api_url, state / "billing.jsonl")


def generated(service, folder):
    dice = random.Random(20_26)
    nights = Nights(service, folder, folder / "rows.csv", "{text}")
    nights.write(["id,text", *(f"{row},{' '.join(dice.choices(WORDS, k=8))} {row}" for row in range(ROWS))])
    return nights


def parti(service, folder):
    if not PROMPTS.exists():
        pytest.skip("the real prompt sets lie beside the checkout only where it is made")
    shutil.copy(PROMPTS, folder / "rows.tsv")
    return Nights(service, folder, folder / "rows.tsv", "{Prompt}", models=MODELS)


@pytest.fixture
def service(tmp_path_factory):
    with opened(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module", params=[generated, pytest.param(parti, marks=pytest.mark.slow)])
def first_night(request, tmp_path_factory):
    """A folder in which everything was bought once."""
    with opened(tmp_path_factory.mktemp("service")) as service:
        nights = request.param(service, tmp_path_factory.mktemp("first"))
        assert len(nights.lines()) == ROWS + 1
        nights.run()
        assert nights.bought().total() == nights.models * ROWS
        yield nights


@pytest.fixture
def nights(first_night, tmp_path):
    """A copy of that folder for one test."""
    here = tmp_path / "night"
    shutil.copytree(first_night.folder, here, copy_function=shutil.copyfile)
    again = object.__new__(Nights)
    again.service, again.models = first_night.service, first_night.models
    again.folder, again.rows = here, here / first_night.rows.name
    return again


def edited(line):
    """The line with one word more in its prompt."""
    head, separator, rest = line.partition("," if "," in line and "\t" not in line else "\t")
    return f"crimson {line}" if "\t" in line else f"{head}{separator}crimson {rest}"


@pytest.mark.timeout(300)
def test_a_word_edited_in_one_of_1632_rows_buys_the_requests_of_that_row(nights):
    header, *lines = nights.lines()
    lines[700] = edited(lines[700])
    nights.write([header, *lines])
    before = nights.bought()
    plan = nights.plan()
    assert f"0 new, {nights.models} changed, {nights.models * (ROWS - 1):,} done" in plan
    assert "crimson" in plan
    nights.run()
    new = nights.bought() - before
    assert list(new.values()) == [1] * nights.models
    ((prompt, count),) = nights.prompts(new).items()
    assert (count, prompt.startswith("crimson")) == (nights.models, True)


@pytest.mark.timeout(300)
def test_rows_in_another_order_buy_nothing(nights):
    header, *lines = nights.lines()
    random.Random(1).shuffle(lines)
    nights.write([header, *lines])
    before = nights.bought()
    done = nights.run()
    # What is told of the columns comes first.
    assert done.stderr.splitlines()[-1] == f"nothing to buy: {nights.models * ROWS:,} requests stored in outputs/job"
    assert nights.bought() == before


@pytest.mark.timeout(300)
def test_added_rows_buy_themselves_and_removed_ones_become_orphans_that_can_be_pruned(nights):
    header, *lines = nights.lines()
    added = [edited(line) for line in lines[-3:]]
    nights.write([header, *lines[5:], *added])
    before = nights.bought()
    done = nights.run("--prune")
    assert (nights.bought() - before).total() == nights.models * 3
    assert f"{nights.models * 5} pruned" in done.stderr
    assert len(nights.metadata()) == nights.models * (ROWS - 2)
    # Tomorrow the rows are there again.
    nights.write([header, *lines, *added])
    after = nights.bought()
    assert nights.run().stderr.splitlines()[-1].startswith("nothing to buy")
    assert nights.bought() == after
    assert len(nights.names()) == nights.models * (ROWS + 3)
    assert len(nights.metadata()) == nights.models * (ROWS + 3)


def test_other_bytes_in_an_input_picture_buy_what_depends_on_it(service, tmp_path):
    nights = Nights(
        service,
        tmp_path,
        tmp_path / "rows.csv",
        "{what} in a {where}",
        matrix={"where": ["shop", "garden"]},
        defaults={"size": "64x64", "model": "test/test"},
    )
    for name, shade in (("mug", 1), ("pot", 2)):
        (tmp_path / f"{name}.png").write_bytes(ledgers.picture_bytes(shade))
    nights.write(["what,image", "a mug,mug.png", "a pot,pot.png", "a cup,"])
    nights.run()
    before = nights.bought()
    (tmp_path / "mug.png").write_bytes(ledgers.picture_bytes(3))
    assert "0 new, 2 changed, 4 done" in nights.plan()
    assert "image:" in nights.plan()
    nights.run()
    assert nights.prompts(nights.bought() - before) == {"a mug in a shop": 1, "a mug in a garden": 1}
    # The same bytes under another name are the same picture.
    (tmp_path / "pot.png").rename(tmp_path / "kettle.png")
    nights.write(["what,image", "a mug,mug.png", "a pot,kettle.png", "a cup,"])
    assert "nothing to buy" in nights.run().stderr


@pytest.fixture
def site(tmp_path):
    """The nightly job of the repository, whose six pictures a site points at; gives its runner and the pictures."""
    shutil.copytree(ROOT / "jobs/prompts", tmp_path / "prompts")
    shutil.copy(ROOT / "jobs/nightly.yaml", tmp_path)

    def run(*faults, options=(), redrawn=False):
        with embedded(Settings(latency_s=0.0, faults=faults), tmp_path / "service") as service:
            asked = (ROOT / "jobs/nightly.yaml").read_text()
            for before, after in (
                ("provider: simulator\n", f"provider: {{kind: simulator, base_url: '{service.api_url}'}}\n"),
                # All nights of a test are one night.
                ("  night_budget_usd: 0.50\n", ""),
            ):
                assert before in asked
                asked = asked.replace(before, after)
            (tmp_path / "nightly.yaml").write_text(asked.replace("flat vector", "line art") if redrawn else asked)
            return run_here(tmp_path, "run", "nightly.yaml", "--yes", "--prune", *options)

    def pictures():
        return {path.name: path.read_bytes() for path in (tmp_path / "outputs/nightly/images").rglob("*.png")}

    return run, pictures


@pytest.mark.parametrize(
    "fault", [Fault(kind="refuse"), Fault(kind="http_status", status=401), Fault(kind="http_status", status=402)]
)
def test_a_night_on_which_every_request_is_refused_leaves_the_site_its_six_pictures(site, fault):
    run, pictures = site
    assert run().returncode == 0
    before = pictures()
    assert len(before) == 6
    done = run(fault, redrawn=True)
    assert done.returncode in {1, 3}, done.stderr
    assert pictures() == before
    # The next night the service is well: each name shows its new picture, and none was ever missing.
    assert run(options=["--retry", "refused"], redrawn=True).returncode == 0
    after = pictures()
    assert after.keys() == before.keys()
    assert not {*after.values()} & {*before.values()}


def test_an_icon_whose_answer_was_lost_is_asked_for_again_within_the_starters_risk(site):
    run, pictures = site
    done = run(Fault(kind="reset_before", first=1))
    assert done.returncode == 0, done.stderr
    assert len(pictures()) == 6
    assert "6 bought $0.306, 0 kept, 0 failed, $0.20 maybe billed" in done.dated


def test_losses_beyond_the_starters_risk_wait_for_a_person_and_are_in_the_dated_line(site):
    run, pictures = site
    done = run(Fault(kind="reset_before", first=3))
    assert done.returncode == 4, done.stderr
    assert len(pictures()) == 4
    assert "4 bought $0.204, 0 kept, 2 failed" in done.dated
