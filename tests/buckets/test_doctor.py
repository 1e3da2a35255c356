"""`batchgen doctor` in front of a real bucket, one that fails, and none."""

import json

import pytest

from batchgen.store.pictures.bucket_probe import OWN
from tests.buckets.service import ADDRESS, BUSY, DENIED
from tests.program import run_here

EVERY_CALL = ("PUT", "GET", "HEAD", "DELETE", "POST")


@pytest.fixture
def job(tmp_path):
    (tmp_path / "job.yaml").write_text(
        f'prompt: a mug\ndefaults: {{model: test/test}}\noutput: {{pictures: "{ADDRESS}"}}\n'
    )
    return tmp_path


@pytest.mark.parametrize("what", ["job.yaml", ADDRESS, f"{ADDRESS}/"])
def test_a_fit_bucket_is_told_step_by_step_and_left_as_it_was(job, bucket, what):
    ended = run_here(job, "doctor", what)
    assert ended.returncode == 0, ended.stderr
    assert [line[:4] for line in ended.stdout.splitlines()] == ["ok  "] * 6
    assert list(bucket.list(OWN)) == []


def test_the_first_failure_is_told_with_what_to_do(job, bucket, service):
    service.fail(DENIED, calls=("DELETE", "POST"), within="")
    ended = run_here(job, "doctor", "job.yaml")
    assert ended.returncode == 2
    assert ended.stdout.splitlines()[-1] == "FAIL delete"
    assert f"batchgen: {ADDRESS}: access is denied" in ended.stderr


def test_as_json_it_is_one_object(job, bucket, service):
    assert json.loads(run_here(job, "doctor", "job.yaml", "--json").stdout)["ok"] is True
    service.fail(BUSY, calls=EVERY_CALL, within="")
    ended = run_here(job, "doctor", "job.yaml", "--json")
    assert ended.returncode == 3
    said = json.loads(ended.stdout)
    assert (said["bucket"], said["ok"], len(said["checks"])) == (ADDRESS, False, 1)


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("plain.yaml", "it has no output.pictures"),
        ("s3://Mugs/x", "the bucket must be the address of a bucket"),
        ("ftp://mugs/x", "the bucket must be the address of a bucket"),
        ("nothing.yaml", "nothing.yaml"),
    ],
)
def test_what_is_no_bucket_is_wrong_usage(job, service, what, words):
    (job / "plain.yaml").write_text("prompt: a mug\ndefaults: {model: test/test}\n")
    ended = run_here(job, "doctor", what)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not service.calls
