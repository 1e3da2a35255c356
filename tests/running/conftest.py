"""A customer with a folder of its own, and no waiting for back-offs."""

import pytest

from batchgen.planning import survey_cache
from batchgen.running.buy import publish, retry
from tests.running.shop import Customer, Shop


@pytest.fixture
def brisk(monkeypatch):
    """Back-off takes a hundredth of a second; how long it really is, `test_retry` proves."""
    monkeypatch.setattr(retry, "_backoff", lambda state: 0.01)
    monkeypatch.setattr(retry, "SHORTEST_WAIT_S", 0.01)
    monkeypatch.setattr(retry, "LONGEST_GONE_WAIT_S", 0.01)
    monkeypatch.setattr(publish, "GONE_FOR_S", 0.05)


@pytest.fixture(autouse=True)
def _every_plan_is_remembered(monkeypatch):
    """As those of ten thousand requests are, so that every resumed run of these tests goes that way."""
    monkeypatch.setattr(survey_cache, "SMALLEST", 1)


@pytest.fixture
def customer(tmp_path, brisk):
    def made(**scripts):
        return Customer(tmp_path, Shop(**scripts))

    return made
