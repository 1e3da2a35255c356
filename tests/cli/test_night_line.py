"""The dated line of a run, in its log, its webhook and its last event: the night's own numbers, not all nights'."""

import json
from datetime import UTC, datetime

import pytest

from batchgen.cli.night_line import night_line
from batchgen.store.ledger.run_counts import RunCounts
from batchgen.testing.loopback import Reply, loopback

WHEN = datetime(2026, 11, 28, 2, 55, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _utc(monkeypatch):
    import time

    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def line(counts, exit_code=0, reason=None):
    return night_line("nightly", counts, exit_code=exit_code, reason=reason, now=WHEN)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (
            {"bought": 2, "kept": 4, "renamed": 1, "billed_microusd": 100_000},
            "2 bought $0.10, 4 kept, 1 renamed, 0 failed",
        ),
        ({"kept": 1_632}, "0 bought, 1,632 kept, 0 failed"),
        ({"bought": 1, "estimated_microusd": 40_000}, "1 bought, $0.04 estimated, 0 kept, 0 failed"),
        ({"failed": 2, "left": 3, "maybe_microusd": 80_000}, "0 bought, 0 kept, 2 failed, $0.08 maybe billed, 3 left"),
        (
            {"reused": 1, "restored": 2, "pruned": 3, "deleted": 4, "missing": 5},
            "0 bought, 0 kept, 1 reused, 2 restored, 3 pruned, 4 deleted by hand, 5 missing, 0 failed",
        ),
    ],
)
def test_what_a_night_did_is_one_dated_line(counts, said):
    assert line(RunCounts(run_id=1, **counts)) == f"2026-11-28 02:55 nightly: {said}"


def test_what_went_wrong_follows_in_the_same_line_however_long_it_is():
    counts = RunCounts(run_id=1, kept=6, left=1)
    said = line(counts, exit_code=3, reason="the budget\nis used up" + "!" * 1_000)
    assert said.startswith(
        "2026-11-28 02:55 nightly: 0 bought, 6 kept, 0 failed, 1 left; exit code 3: the budget is used"
    )
    assert len(said) < 400
    assert line(None, exit_code=2, reason="job.yaml:2: no").endswith(
        "nightly: nothing was sent; exit code 2: job.yaml:2: no"
    )


def test_a_run_that_did_not_end_has_no_rate_of_success():
    assert RunCounts(run_id=1, kept=3).success_rate is None
    assert RunCounts(run_id=1, bought=3, failed=1).success_rate == 0.75


NAMED = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
prompt: "icon of {subject}"
rows:
  - {icon: mug, subject: a red mug}
  - {icon: tea, subject: a teapot}
defaults: {model: openai/gpt-image-1-mini, quality: low}
output: {path: "icons/{icon}", deleted: restore}
"""


@pytest.fixture
def nightly(tmp_path, shared):
    path = tmp_path / "nightly.yaml"
    path.write_text(shared(NAMED), encoding="utf-8")
    return path


@pytest.fixture
def hook():
    with loopback() as service:
        service.reply = lambda _: Reply(204)
        yield service


def edit(path, before, after):
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after), encoding="utf-8")


def summary(tmp_path):
    return json.loads((tmp_path / "outputs/nightly/summary.json").read_text(encoding="utf-8"))


def said(done):
    """The line without its date."""
    return done.dated[len("2026-11-28 02:55 ") :].rstrip("\n")


def test_night_after_night_the_line_tells_what_that_night_did(batchgen, nightly, tmp_path):
    assert said(batchgen("run", nightly)) == "nightly: 2 bought $0.01, 0 kept, 0 failed"
    assert said(batchgen("run", nightly)) == "nightly: 0 bought, 2 kept, 0 failed"
    edit(nightly, "icon: mug", "icon: cup")
    assert said(batchgen("run", nightly)) == "nightly: 0 bought, 2 kept, 1 renamed, 0 failed"
    (tmp_path / "outputs/nightly/images/icons/tea.webp").unlink()
    assert said(batchgen("run", nightly)) == "nightly: 0 bought, 2 kept, 1 restored, 0 failed"
    edit(nightly, "a teapot", "a tea can")
    assert said(batchgen("run", nightly, "--prune")) == "nightly: 1 bought $0.005, 1 kept, 0 failed"
    last = summary(tmp_path)["last_run"]
    assert {name: last[name] for name in ("bought", "kept", "pruned", "failed", "success_rate", "billed_usd")} == {
        "bought": 1,
        "kept": 1,
        "pruned": 0,
        "failed": 0,
        "success_rate": 1.0,
        "billed_usd": 0.005,
    }


def test_a_failing_night_says_so_in_log_and_webhook_whatever_the_nights_before_were(batchgen, nightly, hook, tmp_path):
    batchgen("run", nightly)
    edit(nightly, "a teapot", "forbidden-by-simulator")
    done = batchgen("run", nightly, "--webhook", hook.url)
    assert done.returncode == 1
    assert said(done) == "nightly: 0 bought, 1 kept, 1 failed; exit code 1"
    told = json.loads(hook.seen[0].body)
    assert told["text"] == done.dated.rstrip("\n")
    assert told["last_run"]["success_rate"] == 0.0
    assert (told["last_run"]["bought"], told["last_run"]["failed"]) == (0, 1)
    assert told["success_rate"] == pytest.approx(2 / 3)
    assert told["billed_usd"] > told["last_run"]["billed_usd"] == 0.0
    batchgen("report", "outputs/nightly")
    assert summary(tmp_path)["last_run"] == told["last_run"]


def test_a_night_that_could_not_begin_has_its_dated_line_too(batchgen, nightly, hook):
    edit(nightly, "{subject}", "{subjekt}")
    done = batchgen("run", nightly, "--webhook", hook.url)
    assert said(done).startswith("nightly: nothing was sent; exit code 2: ")
    assert json.loads(hook.seen[0].body)["text"] == done.dated.rstrip("\n")


def test_a_picture_that_is_gone_with_its_bytes_is_no_night_that_went_well(batchgen, nightly, tmp_path):
    batchgen("run", nightly)
    name = tmp_path / "outputs/nightly/images/icons/tea.webp"
    content = name.read_bytes()
    for path in (name, *(tmp_path / "outputs/nightly/.batchgen/pictures").glob("*/*.webp")):
        if path.read_bytes() == content:
            path.unlink()
    for _ in range(2):
        done = batchgen("run", nightly)
        assert done.returncode == 1
        assert said(done) == "nightly: 0 bought, 2 kept, 1 missing, 0 failed; exit code 1"
    assert summary(tmp_path)["last_run"]["missing"] == 1
