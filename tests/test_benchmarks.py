"""The benchmark of whole runs buys what it says, from a service that sells what it says."""

import http.client
import io
import json
import subprocess
import sys
import urllib.parse
from contextlib import closing

import pytest
from PIL import Image

from tests.documents import ROOT

FOLDER = ROOT / "benchmarks"


@pytest.fixture
def service(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import picture_service

    sold = picture_service.Sold(picture_bytes=2000, latency_s=0.01, heartbeat_s=0.004)
    with (
        picture_service.serving([sold]) as ports,
        closing(http.client.HTTPConnection("127.0.0.1", ports[sold])) as connection,
    ):
        yield connection


@pytest.mark.process
def test_each_picture_of_the_service_can_be_decoded_and_has_other_bytes(service):
    pictures = set()
    for _ in range(3):
        service.request("POST", "/v1/openai/images/generations", body=b"{}")
        (entry,) = json.loads(service.getresponse().read())["data"]
        service.request("GET", urllib.parse.urlsplit(entry["url"]).path)
        pictures.add(service.getresponse().read())
    assert len(pictures) == 3
    for content in pictures:
        assert 1900 < len(content) < 2100
        Image.open(io.BytesIO(content)).load()


@pytest.mark.process
def test_every_light_buyer_takes_part_in_a_round():
    buyers = ["floor", "durable floor", "batchgen", "batchgen, command", "aiohttp + semaphore"]
    asked = [word for buyer in buyers for word in ("--buyer", buyer)]
    command = [sys.executable, FOLDER / "runs.py", "--cell", "tiny-50", "--rounds", "1", "--count", "100", *asked]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    costs = {row[0]: float(row[1]) for row in rows[2:]}
    assert list(costs) == buyers
    assert costs["floor"] < costs["batchgen"]
