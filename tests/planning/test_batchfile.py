"""A plan as an OpenAI Batch file, and back."""

import base64
import json

import pytest

from batchgen.errors import UsageError
from batchgen.manifest import Overrides, load_manifest
from batchgen.planning.batchfile import batch_lines, write_batch_file
from batchgen.planning.plan import make_plan
from tests.photos import mask

PNG = mask()
JOB = """\
provider: simulator
prompt: "{subject}, {style}"
defaults: {model: a/1, size: 1x1, response_format: b64_json}
matrix: {style: [ink, "35mm {wet}"], quality: [low, high]}
rows:
  - {subject: a "mug" 狐, repeat: 3}
  - {subject: pot, image: [a.png, https://a.example/b.png], mask: a.png}
repeat: 2
"""


@pytest.fixture
def made(tmp_path):
    """The plan of a job file with this content."""

    def made(content, name="job.yaml", **flags):
        (tmp_path / "a.png").write_bytes(PNG)
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return make_plan(load_manifest(path, overrides=Overrides(provider="simulator", **flags)))

    return made


def lines(plan):
    return [json.loads(line) for line in batch_lines(plan)]


def test_what_is_written_and_read_again_has_the_same_keys(made, tmp_path):
    written = made(JOB)
    assert write_batch_file(written, tmp_path / "batch.jsonl") == 8
    again = make_plan(load_manifest(tmp_path / "batch.jsonl", overrides=Overrides(provider="simulator")))
    assert [request.key for request in again] == [request.key for request in written]
    assert len({request.key for request in again}) == 4 * 3 + 4 * 2


def test_a_file_written_from_what_was_read_is_the_same_file(made, tmp_path):
    first, second = tmp_path / "1.jsonl", tmp_path / "2.jsonl"
    write_batch_file(made(JOB), first)
    write_batch_file(make_plan(load_manifest(first, overrides=Overrides(provider="simulator"))), second)
    assert first.read_bytes() == second.read_bytes()


def test_a_line_is_what_openai_documents(made):
    plan = made("prompt: a\ndefaults: {model: m, size: 1x1}\nrepeat: 2\n")
    (line,) = lines(plan)
    assert line == {
        "custom_id": list(plan)[-1].key,
        "method": "POST",
        "url": "/v1/images/generations",
        "body": {"model": "m", "prompt": "a", "size": "1x1", "n": 2},
    }


def test_files_travel_in_the_line_and_addresses_as_they_are(made):
    (line,) = lines(made("prompt: a\ndefaults: {model: m, image: [a.png, https://a.example/b.png], mask: a.png}\n"))
    inline = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
    assert line["url"] == "/v1/images/edits"
    assert (line["body"]["image"], line["body"]["mask"]) == ([inline, "https://a.example/b.png"], inline)


def test_a_row_s_own_id_names_its_line_where_it_names_no_other(made):
    content = "custom_id,prompt,model\nmy-1,a,m\n,b,m\nmy-1,c,m\n"
    plan = made(content, "job.csv")
    keys = [request.key for request in plan]
    assert [line["custom_id"] for line in lines(plan)] == ["my-1", keys[1], keys[2]]


def test_equal_requests_are_written_once_and_more_repeats_of_them_are_not_lost(made):
    plan = made("prompt,model,repeat\na,m,1\na,m,1\na,m,3\na,m,2\n", "job.csv")
    written = lines(plan)
    assert [line["body"].get("n", 1) for line in written] == [1, 3]
    assert len({line["custom_id"] for line in written}) == 2


def test_a_video_has_no_place_in_a_batch_and_leaves_no_file(made, tmp_path):
    plan = made("prompt,model,seconds\na,m,\nb,v,5\n", "job.csv")
    with pytest.raises(UsageError, match="row 2: a batch file is for images, and v makes a video here"):
        write_batch_file(plan, tmp_path / "batch.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "job.csv"]


def test_a_file_that_exists_is_not_written_over(made, tmp_path):
    (tmp_path / "batch.jsonl").write_text("mine")
    with pytest.raises(UsageError, match="exists already; nothing was written"):
        write_batch_file(made("prompt,model\na,m\n", "job.csv"), tmp_path / "batch.jsonl")
    assert (tmp_path / "batch.jsonl").read_text() == "mine"


def test_a_folder_that_is_not_there_is_told(made, tmp_path):
    with pytest.raises(UsageError, match="can't be written: No such file"):
        write_batch_file(made("prompt,model\na,m\n", "job.csv"), tmp_path / "no/batch.jsonl")
