import pytest

from batchgen.errors import ManifestError
from batchgen.manifest import load_manifest


@pytest.fixture
def write(tmp_path):
    """Writes a file below the temporary folder and returns its path."""

    def write(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def load(write):
    """The manifest of a job file with this content."""

    def load(content, *, file="job.yaml", overrides=None):
        return load_manifest(write(file, content), overrides=overrides)

    return load


@pytest.fixture
def problems_of(load):
    """The problems of a job file with this content, as (line, text); the line is 0 where none is named."""

    def problems_of(content, *, file="job.yaml", overrides=None):
        with pytest.raises(ManifestError) as caught:
            load(content, file=file, overrides=overrides)
        return [(_line(one.place), f"{one.message} ({one.suggestion})") for one in caught.value.problems]

    return problems_of


def _line(place):
    numbers = [part for part in place.split(":")[1:] if part.isdigit()]
    return int(numbers[0]) if numbers else 0
