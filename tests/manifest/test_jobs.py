"""The starter jobs are true: each one loads, and asks for nothing but the simulator."""

from pathlib import Path

import pytest

from batchgen.manifest import RowCheck, load_manifest

JOBS = Path(__file__).parents[2] / "jobs"


@pytest.mark.parametrize("job", sorted(JOBS.glob("*.yaml")), ids=lambda job: job.stem)
def test_a_starter_job_loads_and_runs_without_a_key(job):
    manifest = load_manifest(job)
    check = RowCheck(manifest.rows.columns)
    assert manifest.provider.kind == "simulator"
    assert manifest.limits.budget_microusd
    assert not [problem for row in manifest.rows for problem in check(row)]


def test_the_quickstart_makes_twelve_pictures():
    manifest = load_manifest(JOBS / "quickstart.yaml")
    assert [len(axis.values) for axis in manifest.axes] == [2, 3, 2]
    assert (manifest.rows.count(), manifest.repeat) == (1, 1)
