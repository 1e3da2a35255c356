"""A plan says what budgets are enough for, and which pictures are gone, before a night finds out."""

import re

import pytest

JOB = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
prompt: "icon of {subject}"
rows: [{icon: a, subject: mug}, {icon: b, subject: pot}, {icon: c, subject: cup}]
defaults: {model: openai/gpt-image-1-mini, quality: low}
limits: {budget_usd: 2, night_budget_usd: 1}
output: {path: "{icon}"}
"""


@pytest.fixture
def job(tmp_path, shared):
    path = tmp_path / "job.yaml"
    path.write_text(shared(JOB), encoding="utf-8")
    return path


def told(done):
    assert done.returncode == 0, done.stderr
    text = re.sub(r"\s+", " ", done.stdout)
    return re.findall(
        r"\$[\d.]+ left [^:]*: (?:enough for all \d+|enough for \d+ of \d+[^0-9$]*(?:\d\d:\d\d)?|enough)", text
    )


def test_a_plan_that_fits_says_so(batchgen, job):
    assert told(batchgen("plan", job)) == [
        "$2.00 left of the budget of $2.00: enough for all 3",
        "$1.00 left tonight: enough for all 3",
    ]


def test_a_budget_that_is_too_small_says_for_how_many_it_is_enough_and_what_raises_it(batchgen, job):
    folder, night = told(batchgen("plan", job, "--budget", "0.001", "--night-budget", "0.001"))
    assert folder.startswith("$0.001 left of the budget of $0.001: enough for 0 of 3; --budget, or limits.budget_usd")
    assert night.startswith("$0.001 left tonight: enough for 0 of 3, the rest waits for the next night")


def test_a_night_that_has_begun_tells_when_the_next_one_starts(batchgen, bought, job):
    bought(job)
    job.write_text(job.read_text().replace("icon of", "drawing of"))
    assert batchgen("plan", job, "--night-budget", "0.1").returncode == 0
    (_, night) = told(batchgen("plan", job, "--night-budget", "0.016"))
    assert re.fullmatch(r"\$0\.001 left tonight: enough for 0 of 3, the next night starts at \d\d:\d\d", night.rstrip())


def test_nothing_to_buy_says_nothing_of_budgets(batchgen, bought, job):
    bought(job)
    assert told(batchgen("plan", job)) == []


@pytest.mark.parametrize(
    ("deleted", "then"),
    [
        ("respect", "deleted by hand; `batchgen restore` brings it back, free"),
        ("restore", "the next run makes it again, free"),
    ],
)
def test_a_file_that_is_gone_is_told_before_the_night(batchgen, bought, job, tmp_path, deleted, then):
    bought(job)
    job.write_text(job.read_text().replace('"{icon}"}', f'"{{icon}}", deleted: {deleted}}}'))
    assert "gone" not in batchgen("plan", job).stdout
    (tmp_path / "outputs/job/images/b.webp").unlink()
    assert f"images/b.webp is gone: {then}" in re.sub(r"\s+", " ", batchgen("plan", job).stdout)


def test_a_night_s_budget_that_is_no_amount_is_told(batchgen, job):
    done = batchgen("plan", job, "--night-budget", "lots")
    assert done.returncode == 2
    assert "--night-budget 'lots'" in done.stderr
