"""Edits from the command line: nothing broken is paid for, and what was edited stays with what came of it."""

import json

import pytest

from tests.cli.conftest import EMBEDDED
from tests.photos import mask, photo


@pytest.fixture
def edits(tmp_path, shared):
    """A job that edits these pictures, one a row, beside the files themselves."""

    def edits(*rows, top="", **pictures):
        for name, content in pictures.items():
            (tmp_path / name.replace("_", ".")).write_bytes(content)
        (tmp_path / "rows.jsonl").write_text("".join(f"{json.dumps({'prompt': 'paint', **row})}\n" for row in rows))
        job = f"provider: {EMBEDDED}\nrows: rows.jsonl\ndefaults: {{model: test/test}}\n{top}"
        (tmp_path / "job.yaml").write_text(shared(job))
        return tmp_path / "outputs/job"

    return edits


def lines(folder):
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]


def broken():
    """A JPEG whose header and end mark are sound, and half of which is missing."""
    whole = photo("jpeg", size=(300, 200))
    return whole[: len(whole) // 2] + b"\xff\xd9"


def test_half_a_jpeg_is_never_sent(batchgen, edits):
    folder = edits(
        {"image": "a.jpg"}, {"image": "b.jpg"}, {"image": "c.png"}, a_jpg=broken(), b_jpg=photo("jpeg"), c_png=b""
    )
    done = batchgen("run", "job.yaml")
    assert done.returncode == 2
    assert "rows.jsonl:1: 'a.jpg' is cut off" in done.stderr
    assert "rows.jsonl:3: 'c.png' is empty" in done.stderr
    assert not folder.exists()


def test_what_a_run_found_broken_is_no_news_to_a_check(batchgen, edits):
    edits({"image": "a.jpg"}, a_jpg=broken())
    assert batchgen("check", "job.yaml").returncode == 0
    assert batchgen("run", "job.yaml").returncode == 2
    done = batchgen("check", "job.yaml")
    assert done.returncode == 2
    assert "rows.jsonl:1: 'a.jpg' is cut off" in done.stderr


def test_a_check_tells_of_broken_and_of_odd_pictures_together(batchgen, edits):
    edits({"image": "a.jpg"}, {"image": "b.png"}, a_jpg=photo("jpeg", orientation=6), b_png=photo()[:99])
    done = batchgen("check", "job.yaml")
    assert done.returncode == 2
    assert "'b.png' is cut off: its end is missing after 99 bytes" in done.stderr
    assert "warning: 1 picture with an EXIF orientation, which models don't see: 'a.jpg'" in done.stderr


def test_what_was_edited_lies_beside_the_results_under_the_name_it_had(batchgen, edits):
    pictures = {"a_jpg": photo("jpeg"), "b_png": photo(), "m_png": mask()}
    folder = edits(
        {"image": "a.jpg"}, {"image": ["a.jpg", "b.png"], "mask": "m.png"}, {"image": "./a.jpg"}, {}, **pictures
    )
    assert batchgen("run", "job.yaml").returncode == 0
    one, again, two, none = sorted(
        lines(folder), key=lambda line: (len(line["input_paths"]) == 0, line["row"] == 2, line["row"])
    )
    assert [line["input_paths"] for line in (one, again, two, none)] == [["a.jpg"], ["./a.jpg"], ["a.jpg", "b.png"], []]
    assert (two["mask_path"], one["mask_path"]) == ("m.png", None)
    assert one["input_file_names"] == again["input_file_names"]
    kept = [(folder / file).read_bytes() for file in two["input_file_names"]]
    assert kept == [pictures["a_jpg"], pictures["b_png"]]
    assert none["input_file_names"] == []
    assert len(list((folder / "inputs").iterdir())) == 3


def test_pictures_made_from_words_alone_have_no_columns_of_edits(batchgen, edits):
    folder = edits({})
    assert batchgen("run", "job.yaml").returncode == 0
    assert not {"input_paths", "input_file_names"} & lines(folder)[0].keys()
    assert not (folder / "inputs").exists()
    assert "inputs/**" not in (folder / "README.md").read_text()


def test_an_upright_picture_is_what_is_sent_kept_and_known(batchgen, edits):
    picture = photo("jpeg", orientation=6, size=(80, 40))
    folder = edits({"image": "a.jpg"}, top="inputs: {orient: true}\n", a_jpg=picture)
    assert batchgen("run", "job.yaml").returncode == 0
    (line,) = lines(folder)
    (file,) = line["input_file_names"]
    assert (folder / file).read_bytes() != picture
    assert line["inputs"] == f"sha256:{file[7:71]}"
    again = batchgen("run", "job.yaml")
    assert "nothing to buy" in again.stderr or len(lines(folder)) == 1
    assert len(list((folder / "inputs").iterdir())) == 1


def test_a_ledger_that_is_lost_gets_its_inputs_back_from_the_lines(batchgen, edits):
    folder = edits({"image": "a.jpg"}, a_jpg=photo("jpeg"))
    assert batchgen("run", "job.yaml").returncode == 0
    before = lines(folder)
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (folder / ".batchgen" / name).unlink(missing_ok=True)
    assert batchgen("run", "job.yaml").returncode == 0
    (line,) = lines(folder)
    assert {name: line[name] for name in ("key", "input_paths", "input_file_names")} == {
        name: before[0][name] for name in ("key", "input_paths", "input_file_names")
    }


@pytest.mark.slow
def test_a_folder_of_edits_loads_as_pairs_of_pictures(batchgen, edits, tmp_path):
    datasets = pytest.importorskip("datasets")
    folder = edits({"image": ["a.jpg", "b.png"]}, {}, a_jpg=photo("jpeg", size=(80, 40)), b_png=photo(size=(9, 9)))
    assert batchgen("run", "job.yaml").returncode == 0
    loaded = datasets.load_dataset(str(folder), split="train", cache_dir=str(tmp_path / "cache"))
    assert [[picture.size for picture in row["input"]] for row in loaded] == [[(80, 40), (9, 9)], []]
    assert [row["input_paths"] for row in loaded] == [["a.jpg", "b.png"], []]
