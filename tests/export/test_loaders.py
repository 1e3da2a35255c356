"""Ten thousand pictures in each form, read back with the loaders and by the conventions that our users use."""

import json
import re

import pytest

from tests.export.folders import exported, originals

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")

COLUMNS = {"prompt", "shelf", "model", "cost_usd", "sha256", "digital_source_type", "credentials", "flags"}


def load(datasets, tmp_path, folder, **more):
    return datasets.load_dataset(str(folder), cache_dir=str(tmp_path / "hf"), **more)


def undecoded(datasets, pictures):
    return pictures.cast_column("image", datasets.Image(decode=False))


def test_an_imagefolder_is_opened_by_datasets_with_every_row_column_and_byte(ten_thousand, tmp_path, datasets):
    exported(ten_thousand, "imagefolder", tmp_path / "out")
    pictures = undecoded(datasets, load(datasets, tmp_path, tmp_path / "out", split="train"))
    assert len(pictures) == 10_000
    assert {*pictures.column_names} >= COLUMNS
    assert pictures["shelf"][:8] == ["0", "1", "2", "3", "4", "5", "6", "0"]
    held = originals(ten_thousand)
    for picture in pictures.select(range(0, 10_000, 97))["image"]:
        path = tmp_path / "out" / picture["path"]
        assert path.read_bytes() == held[path.stem]
    assert len(list((tmp_path / "out/images").rglob("*.png"))) == 10_000


def test_parquet_is_opened_by_datasets_duckdb_and_pyarrow_with_every_row_column_and_byte(
    ten_thousand, tmp_path, datasets
):
    duckdb = pytest.importorskip("duckdb")
    parquet = pytest.importorskip("pyarrow.parquet")
    exported(ten_thousand, "parquet", tmp_path / "out", shard_pictures=3_000)
    held = originals(ten_thousand)

    files = sorted((tmp_path / "out/data").iterdir())
    assert [file.name for file in files] == [f"train-{number:05d}.parquet" for number in range(4)]
    table = parquet.read_table(files)
    assert {row["path"].removesuffix(".png"): row["bytes"] for row in table["image"].to_pylist()} == held
    assert (
        max(
            parquet.ParquetFile(file).metadata.row_group(group).num_rows
            for file in files
            for group in range(parquet.ParquetFile(file).num_row_groups)
        )
        == 1_000
    )

    (found,) = duckdb.sql(
        f"SELECT count(*), count(DISTINCT image.path), sum(octet_length(image.bytes)), sum(cost_usd)"
        f" FROM '{tmp_path}/out/data/*.parquet'"
    ).fetchall()
    assert found[:3] == (10_000, 10_000, sum(map(len, held.values())))
    assert found[3] == pytest.approx(400)

    pictures = load(datasets, tmp_path, tmp_path / "out", split="train")
    assert len(pictures) == 10_000
    assert {*pictures.column_names} >= COLUMNS
    assert pictures[9_999]["image"].size == (8, 8)


def test_a_webdataset_is_opened_by_its_library_and_by_datasets_with_every_sample_and_byte(
    ten_thousand, tmp_path, datasets
):
    webdataset = pytest.importorskip("webdataset")
    exported(ten_thousand, "webdataset", tmp_path / "out", shard_pictures=2_500)
    held = originals(ten_thousand)

    shards = f"{tmp_path}/out/train-{{000000..000003}}.tar"
    samples = {one["__key__"]: one for one in webdataset.WebDataset(shards, shardshuffle=False)}
    assert {key: one["png"] for key, one in samples.items()} == held
    for one in samples.values():
        assert json.loads(one["json"])["prompt"] == one["txt"].decode()

    pictures = load(datasets, tmp_path, tmp_path / "out", split="train")
    assert len(pictures) == 10_000
    assert pictures[0]["json"]["shelf"] == "0"
    assert pictures[0]["png"].size == (8, 8)


def kohya(folder, extension):
    """The pictures and captions of a folder, as `sd-scripts` finds them: `glob_images` and `read_caption`."""
    found = {}
    for suffix in (".png", ".jpg", ".jpeg", ".webp", ".bmp"):
        for picture in folder.glob(f"*{suffix}"):
            with picture.with_suffix(extension).open(encoding="utf-8") as stream:
                lines = stream.readlines()
            assert len(lines) > 0
            found[picture] = lines[0].strip()
    return found


def test_captions_are_found_as_the_trainers_of_loras_find_them(ten_thousand, tmp_path, datasets):
    exported(ten_thousand, "captions", tmp_path / "out", caption="{prompt} on shelf {shelf}")
    captions = kohya(tmp_path / "out", ".txt")
    assert len(captions) == 10_000
    held = originals(ten_thousand)
    for picture, caption in [*captions.items()][::97]:
        assert picture.read_bytes() == held[picture.stem]
        assert re.fullmatch(r"mug \d+ on shelf [0-6]", caption)
    # As diffusers' training scripts read it: a table with a column of captions.
    pictures = load(datasets, tmp_path, tmp_path / "out", split="train")
    assert len(pictures) == 10_000
    assert pictures[5]["prompt"] == "mug 1"


def test_no_prompt_stands_in_two_splits_and_all_loaders_see_them(ten_thousand, tmp_path, datasets):
    splits = {"validation": 0.05, "test": 0.1}
    for kind in ("imagefolder", "parquet"):
        exported(ten_thousand, kind, tmp_path / kind, fractions=splits)
        found = load(datasets, tmp_path, tmp_path / kind)
        prompts = {name: {*pictures["prompt"]} for name, pictures in found.items()}
        assert sum(map(len, prompts.values())) == len(set().union(*prompts.values())) == 2_500
        assert 0.03 < len(found["validation"]) / 10_000 < 0.07
        assert 0.08 < len(found["test"]) / 10_000 < 0.12
