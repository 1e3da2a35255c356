"""The network goes away and comes back."""

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

_OWN = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]


@cache
def _filters():
    """Whether a network of one's own with a filter in it can be had here."""
    try:
        return subprocess.run([*_OWN, "nft", "list", "ruleset"], capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not _filters(), reason="no network of its own, or no nftables, is to be had here")
def test_a_network_that_goes_away_for_ten_seconds_costs_nothing_twice():
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "tests/faults/outages.py"]
    ended = subprocess.run([*_OWN, *words], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "4 passed" in ended.stdout
