import base64
import io
import json
import urllib.request

import pytest
from PIL import Image

from batchgen.provider.arrival import Arrival
from batchgen.simulator.embedded import embedded
from batchgen.simulator.settings import Settings
from tests.cli.conftest import EMBEDDED, MANIFEST

REFUSED = [
    ("ffffffffffff", "found.png", "no request's key begins with"),
    ("", "found.png", "no request's key begins with"),
    (None, "missing.png", "can't be read"),
    (None, "notes.txt", "no picture"),
    (None, "https://127.0.0.1/a.png", "127.0.0.1"),
    (None, "file:///etc/passwd", "only https"),
]


@pytest.fixture
def doubtful(batchgen, job, tmp_path):
    """A run folder with four requests whose outcome is unknown; gives their keys."""
    with embedded(Settings()) as service:
        provider = f"{{kind: simulator, base_url: '{service.api_url}'}}"
        text = MANIFEST.replace(EMBEDDED, provider)
        job.write_text(text.replace("test/test", "black-forest-labs/FLUX-1-schnell"))
        faults = json.dumps({"faults": [{"kind": "reset_before"}]}).encode()
        urllib.request.urlopen(f"{service.api_url}/_simulator/faults", data=faults, timeout=30).close()
        done = batchgen("run", job, "--strict")
    assert done.returncode == 4, done.stderr
    failures = (tmp_path / "outputs/job/failures.jsonl").read_text().splitlines()
    return [json.loads(line)["key"] for line in failures]


def test_a_recovered_picture_is_stored_and_its_request_is_not_bought_again(batchgen, doubtful, job, tmp_path):
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "found.png")
    done = batchgen("adopt", "outputs/job", doubtful[0][:10], "found.png")
    assert done.returncode == 0, done.stderr
    published = tmp_path / done.stdout.strip()
    assert published.read_bytes() == (tmp_path / "found.png").read_bytes()
    batchgen("report", "outputs/job")
    summary = json.loads((tmp_path / "outputs/job/summary.json").read_text())
    assert summary["states"]["stored"] == 1
    assert summary["states"]["in doubt"] == 3
    assert summary["estimated_microusd"] == 1300


def test_what_can_t_be_adopted_is_said_and_changes_nothing(batchgen, doubtful, tmp_path):
    Image.new("RGB", (64, 64), "teal").save(tmp_path / "found.png")
    (tmp_path / "notes.txt").write_text("no picture at all")
    before = batchgen("status", "outputs/job").stdout
    for key, source, said in REFUSED:
        done = batchgen("adopt", "outputs/job", doubtful[0] if key is None else key, source)
        assert done.returncode == 2, source
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    assert batchgen("status", "outputs/job").stdout == before


def test_a_picture_is_taken_out_of_a_kept_answer_by_its_file_name(batchgen, doubtful, tmp_path):
    contents = []
    for colour in ("teal", "red"):
        buffer = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(buffer, "PNG")
        contents.append(buffer.getvalue())
    answer = json.dumps({"odd": 1, "images": [base64.b64encode(one).decode() for one in contents]}).encode()
    kept = tmp_path / "outputs/job/.batchgen/answers" / f"{doubtful[0]}-1.body"
    kept.write_bytes(Arrival(500, (("content-type", "application/json"),), answer).at_rest())
    (tmp_path / "empty.body").write_bytes(Arrival(200, (), b"{}").at_rest())
    refused = batchgen("adopt", "outputs/job", doubtful[0], "empty.body")
    assert (refused.returncode, "no picture is found" in refused.stderr) == (2, True)
    done = batchgen("adopt", "outputs/job", doubtful[0], kept.name)
    assert done.returncode == 0, done.stderr
    assert "holds 2 pictures; the first is taken" in done.stderr
    assert (tmp_path / done.stdout.strip()).read_bytes() == contents[0]
