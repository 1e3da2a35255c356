"""What tests of exports share."""

import pytest

from tests import ledgers
from tests.export.folders import fill


@pytest.fixture
def ledger(tmp_path):
    with ledgers.build(tmp_path / "mugs") as builder:
        builder.begin()
        yield builder


@pytest.fixture(scope="session")
def ten_thousand(tmp_path_factory):
    """A run folder of 10,000 small pictures, to be read only."""
    return fill(tmp_path_factory.mktemp("large") / "mugs", 10_000)


@pytest.fixture
def datasets(tmp_path, monkeypatch):
    """The library, as a user without network has it."""
    for name in ("HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    return datasets
