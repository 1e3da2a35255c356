"""What reads a run folder whose pictures rest in a bucket: pages, exports, other runs, and what takes names away."""

import hashlib
import json
from pathlib import Path

import httpx
import pytest

from batchgen.compare.ledger_watch import LedgerWatch
from batchgen.compare.routes import _routes
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import snapshot
from batchgen.store.pictures.in_bucket import PICTURES
from batchgen.store.pictures.original_files import OriginalFiles
from tests.buckets.service import ADDRESS, DENIED
from tests.program import run_here

pytestmark = pytest.mark.timeout(300)

COLOURS = ["red", "green", "blue", "black"]


def write(place, colours=COLOURS, name="job", **more):
    job = {
        "provider": "simulator",
        "prompt": "a {colour} mug",
        "defaults": {"model": "test/test"},
        "matrix": {"colour": colours},
        "output": {"pictures": ADDRESS},
        **more,
    }
    (place / f"{name}.yaml").write_text(json.dumps(job), encoding="utf-8")


def done(place, *words):
    ended = run_here(place, *words)
    assert ended.returncode == 0, ended.stderr
    return ended


@pytest.fixture
def place(tmp_path, bucket):
    """A folder in which `batchgen run job.yaml` was done."""
    write(tmp_path)
    done(tmp_path, "run", "job.yaml", "--out", "out")
    return tmp_path


def digests(folder):
    with snapshot(folder / ".batchgen/ledger.db") as db:
        return {sha256 for (sha256,) in db.execute("SELECT sha256 FROM pictures")}


def sha256s(paths):
    return {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def forget_thumbnails(out):
    for path in (out / "compare/thumbs").rglob("*.*"):
        path.unlink()


def test_report_and_compare_page_show_thumbnails_that_are_made_once(place, service):
    out = place / "out"
    forget_thumbnails(out)
    done(place, "compare", "out")
    assert len(list((out / "compare/thumbs").rglob("*.webp"))) == 4
    before = service.calls["GET"]
    done(place, "compare", "out")
    assert service.calls["GET"] == before
    done(place, "report", "out")
    report = (out / "report.html").read_text(encoding="utf-8")
    assert report.count('<img src="./compare/thumbs/') >= 4
    assert "not in images/ any more" not in report


def test_pages_are_written_without_thumbnails_while_the_bucket_can_t_be_read(place, service):
    forget_thumbnails(place / "out")
    service.fail(DENIED, calls=("GET",), within="")
    done(place, "compare", "out")
    assert not list((place / "out/compare/thumbs").rglob("*.webp"))


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_local_server_serves_pictures_out_of_the_bucket(place):
    folder = RunFolder(place / "out")
    ledger = LedgerWatch(folder)
    ledger.look()
    with snapshot(folder.ledger) as db:
        files = db.execute("SELECT file, sha256 FROM kept_pictures").fetchall()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(_routes(folder, ledger)), base_url="http://page"
    ) as client:
        for file, sha256 in files:
            answer = await client.get(f"/{file}")
            assert (answer.status_code, hashlib.sha256(answer.content).hexdigest()) == (200, sha256)
            assert answer.headers["content-type"].startswith("image/")
        assert (await client.get("/images/00000/other.png")).status_code == 404


@pytest.mark.parametrize(
    ("kind", "pattern"), [("captions", "*-1.[!t]*"), ("imagefolder", "images/*/*.*"), ("webdataset", "*.tar")]
)
def test_an_export_brings_the_pictures_out_of_the_bucket(place, kind, pattern):
    done(place, "export", "out", kind, "data")
    found = list((place / "data").glob(pattern))
    if kind == "webdataset":
        import tarfile

        with tarfile.open(found[0]) as tar:
            members = [tar.extractfile(one).read() for one in tar if not one.name.endswith((".json", ".txt"))]
        assert {hashlib.sha256(one).hexdigest() for one in members} == digests(place / "out")
    else:
        assert sha256s(found) == digests(place / "out")
    again = done(place, "export", "out", kind, "data", "--json")
    assert json.loads(again.stdout)["written"] == 0


def test_an_export_that_loses_its_bucket_goes_on_later(place, service):
    service.fail(DENIED, calls=("GET",), within="pictures/")
    ended = run_here(place, "export", "out", "captions", "data")
    assert ended.returncode == 3
    assert "access is denied" in ended.stderr
    assert "goes on where this ended" in ended.stderr
    service.fail(None)
    done(place, "export", "out", "captions", "data")


def test_paths_of_pictures_in_a_bucket_are_refused(place):
    ended = run_here(place, "export", "out", "parquet", "data", "--paths")
    assert ended.returncode == 2
    assert f"the pictures rest in {ADDRESS}" in ended.stderr


def test_another_run_takes_pictures_out_of_the_bucket_instead_of_buying_them(place):
    write(place, name="here", output={}, reuse=["out"])
    ended = done(place, "run", "here.yaml", "--out", "here")
    assert "4 requests reused from out" in ended.stderr
    assert sha256s(path for path in (place / "here/images").rglob("*.*")) == digests(place / "out")
    summary = json.loads((place / "here/summary.json").read_text(encoding="utf-8"))
    assert summary["billed_usd"] == 0


def test_pictures_of_another_folder_go_up_into_the_bucket(tmp_path, bucket):
    write(tmp_path, name="here", output={})
    done(tmp_path, "run", "here.yaml", "--out", "here")
    write(tmp_path, reuse=["here"])
    done(tmp_path, "run", "job.yaml", "--out", "out")
    assert len(list(bucket.list(PICTURES))) == 4
    assert not [path for path in (tmp_path / "out/.batchgen/pictures").glob("*/*") if path.is_file()]
    assert digests(tmp_path / "out") == digests(tmp_path / "here")


def test_what_is_pruned_and_deleted_is_gone_from_the_bucket_and_comes_back_before_that(place, bucket):
    write(place, COLOURS[:2])
    done(place, "prune", "job.yaml", "--out", "out")
    assert len(list(bucket.list(PICTURES))) == 4
    assert bucket.read("metadata.jsonl").content.count(b"\n") == 2
    done(place, "restore", "out")
    done(place, "prune", "job.yaml", "--out", "out", "--delete")
    assert len(list(bucket.list(PICTURES))) == 2
    done(place, "verify", "out", "--read-data")


def test_a_picture_that_waits_on_this_disk_is_read_there(place, bucket):
    originals = OriginalFiles(folder := RunFolder(place / "out"))
    with snapshot(folder.ledger) as db:
        original, sha256 = db.execute("SELECT original, sha256 FROM pictures").fetchone()
    content = bucket.read(f"pictures/{original}").content
    bucket.delete([f"pictures/{original}"])
    picture = type("Known", (), {"original": original, "sha256": sha256})
    assert originals.read(picture) is None
    folder.original(original).parent.mkdir(exist_ok=True)
    folder.original(original).write_bytes(content)
    assert originals.read(picture) == content
    assert Path(folder.original(original)).is_file()


def test_a_copy_of_the_bucket_is_a_dataset_as_it_is(place, bucket, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    for name in [one.path for one in bucket.list(PICTURES)] + ["README.md", "dataset.parquet"]:
        path = tmp_path / "copy" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.read(name).content)
    loaded = datasets.load_dataset(str(tmp_path / "copy"), split="train")
    assert len(loaded) == 4
    assert {row["colour"] for row in loaded} == {*COLOURS}
    assert all(row["image"].width for row in loaded)


def test_status_says_where_pictures_rest_and_which_wait(place, bucket):
    assert f"pictures rest in {ADDRESS}\n" in done(place, "status", "out").stdout
    folder = RunFolder(place / "out")
    with snapshot(folder.ledger) as db:
        (original,) = db.execute("SELECT original FROM pictures").fetchone()
    folder.original(original).parent.mkdir(exist_ok=True)
    folder.original(original).write_bytes(b"")
    assert f"pictures rest in {ADDRESS}; 1 picture waits on this disk" in done(place, "status", "out").stdout
    said = json.loads(done(place, "status", "out", "--json").stdout)
    assert (said["pictures_at"], said["waiting_pictures"]) == (ADDRESS, 1)
