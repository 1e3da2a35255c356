import pytest

from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan
from tests.photos import LASTING

PNG = LASTING


@pytest.fixture
def load(tmp_path):
    """The manifest of a job file with this content, in a folder with a.png, b.png and c.png."""
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(PNG + name.encode())

    def load(content, *, file="job.yaml"):
        (tmp_path / file).write_text(content)
        return load_manifest(tmp_path / file)

    return load


@pytest.fixture
def plan(load):
    """The plan of such a job file."""

    def plan(content, *, catalogue=None, file="job.yaml"):
        return make_plan(load(content, file=file), catalogue)

    return plan
