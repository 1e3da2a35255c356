"""A customer with a folder of its own, and no waiting for back-offs."""

import pytest

from batchgen.run import retry

from .shop import Customer, Shop


@pytest.fixture
def brisk(monkeypatch):
    """Back-off takes a hundredth of a second; how long it really is, `test_retry` proves."""
    monkeypatch.setattr(retry, "_backoff", lambda state: 0.01)
    monkeypatch.setattr(retry, "SHORTEST_WAIT_S", 0.01)


@pytest.fixture
def customer(tmp_path, brisk):
    def made(**scripts):
        return Customer(tmp_path, Shop(**scripts))

    return made
