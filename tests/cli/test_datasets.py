"""From a manifest to the loaders of its users: rows, own columns and names as they were written."""

import csv
import io
import json
import tarfile

import pytest

from tests.loaders import by_datasets, by_duckdb, by_pandas

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

# Texts that some reader takes for something else, each in a column where every row looks like that.
NASTY = [
    *("2024-01-02", "2024-01-02 03:04:05", "2024-01-02T03:04:05", "2024-01-02T03:04:05Z", "2024-01-02T03:04:05.123456"),
    *("2024-01", "01/02/2024", "2024", "12:30:45", "20240102", "1704164645", "P1D"),
    *(
        "007",
        "1e5",
        "+1",
        "-0",
        "1.50",
        ".5",
        "1_000",
        "1,5",
        "0x1F",
        "12345678901234567890123",
        "0.1000000000000000055",
    ),
    *("NA", "nan", "null", "None", "inf", "-Infinity", "#N/A"),
    *("true", "False", "no", "yes", "on"),
    *('{"a": 1}', "[1, 2]", '"quoted"', "{}", "a\\nb", 'a "b", c', "two\nlines", "\ttab", " blank ", "'apostrophe"),
    *("=1+1", "Zürich 東京 🫖", "e\u0301", "zero\u200bwidth", "6fa459ea-ee8a-3ca4-894e-db77e160355e", "images/a.png"),
]
COLUMNS = {f"c{number:02d}": text for number, text in enumerate(NASTY)}
# Names that readers convert by themselves.
COLUMNS |= {"date": "2024-01-02", "updated_at": "1704164645", "timestamp": "1", "modified": "5", "Straße 1": "x"}

JOB = """\
provider: {kind: simulator, simulator: {latency_s: 0.01}}
prompt: "{text}"
rows: rows.csv
defaults: {model: test/test, size: 64x64}
"""


@pytest.fixture
def run(batchgen, shared, tmp_path):
    """Run rows as a CSV file; return the run folder."""

    def run(rows, more=""):
        stream = io.StringIO()
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        (tmp_path / "rows.csv").write_text(stream.getvalue(), encoding="utf-8", newline="")
        (tmp_path / "job.yaml").write_text(shared(JOB) + more, encoding="utf-8")
        done = batchgen("run", "job.yaml")
        assert done.returncode == 0, done.stderr
        return tmp_path / "outputs/job"

    return run


def test_own_columns_of_fifty_nasty_kinds_come_back_as_written_from_every_reader(run):
    folder = run([{"text": f"mug {number}", **COLUMNS} for number in range(2)])
    table = folder / "dataset.parquet"
    for lines in (list(by_datasets(folder)), by_pandas(table), by_duckdb(table)):
        assert [{name: line[name] for name in COLUMNS} for line in lines] == [COLUMNS] * 2


def test_a_folder_of_one_picture_loads_as_a_picture(run):
    (line,) = by_datasets(run([{"text": "a mug", "date": "2024-01-02"}]))
    assert (line["image"].size, line["date"]) == ((64, 64), "2024-01-02")


def test_the_folder_also_loads_as_an_imagefolder(run):
    folder = run([{"text": "a mug", "id": "007"}, {"text": "a pot", "id": "008"}])
    lines = list(by_datasets(folder, "imagefolder", data_dir=str(folder)))
    assert [(line["image"].size, line["id"]) for line in lines] == [((64, 64), "007"), ((64, 64), "008")]


def test_twelve_captions_of_three_texts_are_twelve_rows_and_three_purchases(run):
    captions = [{"text": f"text {number % 3}", "id": f"{number:03d}"} for number in range(12)]
    folder = run(captions)
    lines = sorted(by_datasets(folder), key=lambda line: line["row"])
    assert [(line["prompt"], line["id"]) for line in lines] == [(one["text"], one["id"]) for one in captions]
    assert all(line["image"].size == (64, 64) for line in lines)
    assert len({line["key"] for line in lines}) == 3
    summary = json.loads((folder / "summary.json").read_text())
    assert (summary["requests"], summary["attempts"]) == (3, 3)


def test_a_tar_of_pictures_named_after_numbers_with_dots_holds_one_sample_for_each(run, tmp_path):
    rows = [{"text": f"mug {number}", "file": f"v1.{number}.png", "weight": f"0.{number}"} for number in range(4)]
    folder = run(rows, 'output: {path: "{weight}/{file}-{weight}"}\n')
    named = sorted(path for path in (folder / "images").rglob("*") if path.is_file())
    assert [path.relative_to(folder / "images").as_posix() for path in named[:2]] == [
        "0-0/v1-0-0-0.jpg",
        "0-1/v1-1-0-1.jpg",
    ]
    with tarfile.open(tmp_path / "set.tar", "w") as tar:
        for path in named:
            tar.add(path, arcname=path.relative_to(folder / "images").with_suffix(".img"))
    keys = [line["__key__"] for line in by_datasets(folder, "webdataset", data_files=str(tmp_path / "set.tar"))]
    assert len(set(keys)) == len(keys) == 4


def test_a_picture_named_by_a_file_of_the_manifest_has_one_suffix(run):
    folder = run(
        [{"text": "a mug", "file": "mug.png"}, {"text": "a pot", "file": "old/pot.JPG"}], 'output: {path: "{file}"}\n'
    )
    assert sorted(path.name for path in (folder / "images").iterdir()) == ["mug.jpg", "old-pot.jpg"]
