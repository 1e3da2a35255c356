"""Which pictures are exported, with which lines."""

import json
import shutil
from contextlib import closing

import pytest

from batchgen.errors import LedgerDamaged, UsageError
from batchgen.export.interface import ExportCounts, ExportPace
from batchgen.export.sources import OpenFolders
from batchgen.request import Input
from batchgen.store.ledger.schema import connect
from batchgen.store.ledger.transitions import Bill
from batchgen.store.looks.flags import Flag
from batchgen.store.looks.update import look_at_new
from tests import ledgers
from tests.export.folders import also, exported, fill, options, settle
from tests.ledgers import at_rest, picture_bytes


def lines(folder):
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text(encoding="utf-8").splitlines()]


def test_columns_are_as_written_and_failures_are_no_rows(ledger, tmp_path):
    ledger.store(ledger.request("a", columns={"label": "007"}))
    ledger.fail(ledger.request("b"))
    ledger.store(ledger.request("c", columns={"label": "NA", "more": "1e5"}))
    exported(ledger.folder, "imagefolder", tmp_path / "out")
    assert [(line["prompt"], line["label"], line["more"]) for line in lines(tmp_path / "out")] == [
        ("a", "007", None),
        ("c", "NA", "1e5"),
    ]


def test_equal_rows_have_a_file_and_a_line_each_with_their_own_columns(ledger, tmp_path):
    mug = ledger.request("mug", columns={"shelf": "a"})
    ledger.store(mug, kinds=("PNG", "WEBP"))
    also(ledger, mug, ("second", {"shelf": "b"}), ("third", {"shelf": "c"}))
    settle(ledger)
    exported(ledger.folder, "imagefolder", tmp_path / "out")
    found = lines(tmp_path / "out")
    assert sorted(line["shelf"] for line in found) == ["a", "a", "b", "b", "c", "c"]
    assert len({line["file_name"] for line in found}) == 6
    assert sum(line["cost_usd"] for line in found) == pytest.approx(0.04)
    assert {(tmp_path / "out" / line["file_name"]).stat().st_size for line in found} == {
        line["bytes"] for line in found
    }


def test_only_takes_titles_of_axes_columns_and_parameters_any_of_several_values(ledger, tmp_path):
    for style in ("ink", "oil", "clay"):
        for shelf in ("a", "b"):
            columns = {"shelf": shelf, "style": f"drawn in {style}"}
            ledger.store(ledger.request(f"{style} {shelf}", columns=columns, axes={"style": style}))
    only = {"style": ("ink", "clay"), "shelf": ("b",)}
    done = exported(ledger.folder, "imagefolder", tmp_path / "out", only=only)
    assert [line["prompt"] for line in lines(tmp_path / "out")] == ["ink b", "clay b"]
    assert done.tally.left_out == {"not asked for": 4}


def test_a_name_that_no_picture_has_is_a_mistake_with_the_nearest_one(ledger, tmp_path):
    ledger.store(ledger.request("a", columns={"shelf": "1"}))
    with pytest.raises(UsageError, match=r"--only: no picture has 'shelv' \(did you mean 'shelf'"):
        exported(ledger.folder, "captions", tmp_path / "out", only={"shelv": ("1",)})
    with pytest.raises(UsageError, match="--caption: no picture has 'subject'"):
        exported(ledger.folder, "captions", tmp_path / "out", caption="{subject}")
    assert not (tmp_path / "out").exists()


def test_nothing_to_export_is_a_mistake_and_leaves_no_folder(ledger, tmp_path):
    ledger.store(ledger.request("a", columns={"shelf": "1"}))
    with pytest.raises(UsageError, match="nothing to export from 1 folder: 1 not asked for"):
        exported(ledger.folder, "captions", tmp_path / "out", only={"shelf": ("2",)})
    assert not (tmp_path / "out").exists()


def test_of_near_duplicates_the_first_one_stays_and_of_blank_ones_none(ledger, tmp_path):
    for number, shade in enumerate((10, 10, 90, 10)):
        request = ledger.request(f"mug {number}")
        ticket = ledger.send(request)
        ledger.answer(ticket, Bill(1, 0, None))
        ledger.show(ticket, [at_rest(ledger.folder, request.key, picture_bytes(shade))])
    look_at_new(ledger.folder)
    done = exported(ledger.folder, "imagefolder", tmp_path / "out", without=Flag.DUPLICATE)
    assert [line["prompt"] for line in lines(tmp_path / "out")] == ["mug 0", "mug 2"]
    assert done.tally.left_out == {"duplicate": 2}
    with pytest.raises(UsageError, match="nothing to export"):
        exported(ledger.folder, "imagefolder", tmp_path / "none", without=Flag.BLANK | Flag.ONE_COLOUR)


def test_flags_of_pictures_that_nobody_looked_at_are_told_to_be_unknown(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    done = exported(ledger.folder, "captions", tmp_path / "out", without=Flag.BLANK)
    assert "1 picture was not looked at yet" in done.notices[0]


def test_a_file_its_user_deleted_is_not_exported(ledger, tmp_path):
    (gone,) = ledger.store(ledger.request("gone"))
    ledger.store(ledger.request("kept"))
    ledger.db.execute("UPDATE names SET state = 'deleted' WHERE file = ?", (gone,))
    ledger.db.execute("UPDATE pictures SET hidden = 1 WHERE request_id = 1")
    exported(ledger.folder, "imagefolder", tmp_path / "out")
    assert [line["prompt"] for line in lines(tmp_path / "out")] == ["kept"]


@pytest.mark.parametrize("kind", ["captions", "imagefolder", "parquet", "webdataset"])
def test_missing_and_altered_pictures_are_left_out_and_named(ledger, tmp_path, kind):
    for number in range(4):
        ledger.store(ledger.request(f"mug {number}"))
    held = sorted(ledger.folder.pictures.rglob("*.png"))
    held[0].unlink()
    held[1].chmod(0o644)
    held[1].write_bytes(b"short")
    more = {"copies": True} if kind in {"captions", "imagefolder"} else {}
    same_size = held[2].read_bytes()[::-1]
    held[2].chmod(0o644)
    held[2].write_bytes(same_size)
    done = exported(ledger.folder, kind, tmp_path / "out", **more)
    assert done.exit_code == 1
    assert done.tally.pictures.total() == 1
    assert done.tally.left_out == {"missing or altered": 3}
    assert {problem.partition(": ")[0] for problem in done.tally.problems} == {str(path) for path in held[:3]}
    assert not [path for path in (tmp_path / "out").rglob("*") if path.stem == held[2].stem]

    held[2].write_bytes(same_size[::-1])
    again = exported(ledger.folder, kind, tmp_path / "out", **more)
    assert again.tally.pictures.total() == 2


def test_a_picture_that_became_a_link_is_left_out(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    ledger.store(ledger.request("b"))
    first = min(ledger.folder.pictures.rglob("*.png"))
    secret = tmp_path / "secret"
    secret.write_bytes(first.read_bytes())
    first.unlink()
    first.symlink_to(secret)
    done = exported(ledger.folder, "webdataset", tmp_path / "out")
    assert done.tally.pictures.total() == 1
    assert "no plain file" in done.tally.problems[0]


def test_a_run_that_goes_on_is_exported_as_of_one_moment_and_its_log_is_not_held(tmp_path):
    with ledgers.build(tmp_path / "mugs") as book:
        book.begin()
        for number in range(3):
            book.store(book.request(f"mug {number}"))
        with OpenFolders([book.folder.root], options("captions")) as folders:
            book.store(book.request("later"))
            assert book.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
            samples = folders.samples(ExportCounts(), ExportPace(lambda _: None))
            found = [next(samples).caption]
            book.store(book.request("much later"))
            assert book.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
            found += [sample.caption for sample in samples]
    assert found == ["mug 0", "mug 1", "mug 2"]


def test_several_folders_are_one_dataset_and_an_equal_request_in_both_has_a_name_in_each(tmp_path):
    first, second = fill(tmp_path / "one", 6), fill(tmp_path / "two", 8)
    exported([first, second], "imagefolder", tmp_path / "out")
    found = lines(tmp_path / "out")
    assert len(found) == len({line["file_name"] for line in found}) == 14
    exported([first, second], "webdataset", tmp_path / "tars")


def test_a_folder_that_is_named_twice_is_a_mistake(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    with pytest.raises(UsageError, match="is named twice"):
        exported([ledger.folder, ledger.folder], "captions", tmp_path / "out")


def test_a_link_in_place_of_a_folder_of_pictures_is_refused(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    (shard,) = ledger.folder.pictures.iterdir()
    shard.rename(tmp_path / "elsewhere")
    shard.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="a link stands where"):
        exported(ledger.folder, "captions", tmp_path / "out")


def test_of_duplicates_the_first_one_that_is_there_stays(ledger, tmp_path):
    for number in range(2):
        request = ledger.request(f"mug {number}")
        ticket = ledger.send(request)
        ledger.answer(ticket, Bill(1, 0, None))
        ledger.show(ticket, [at_rest(ledger.folder, request.key, picture_bytes(5))])
        if number == 0:
            first = next(ledger.folder.pictures.glob(f"*/{request.key}-1.png"))
    first.unlink()
    exported(ledger.folder, "imagefolder", tmp_path / "out", without=Flag.DUPLICATE)
    assert [line["prompt"] for line in lines(tmp_path / "out")] == ["mug 1"]


def test_simulated_pictures_and_real_ones_are_never_mixed(tmp_path):
    for name, simulated in (("real", False), ("play", True)):
        with ledgers.build(tmp_path / name) as book:
            book.begin(simulated=simulated)
            book.store(book.request("a"))
    folders = [ledgers.RunFolder(tmp_path / name) for name in ("real", "play")]
    with pytest.raises(UsageError, match="the two are never mixed"):
        exported(folders, "captions", tmp_path / "out")


def test_a_folder_that_is_none_and_a_stranger_s_values_are_refused(ledger, tmp_path):
    ledger.store(ledger.request("a"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="is this a run folder"):
        exported(ledgers.RunFolder(tmp_path / "empty"), "captions", tmp_path / "out")
    shutil.copytree(ledger.folder.root, tmp_path / "strange")
    strange = ledgers.RunFolder(tmp_path / "strange")
    with closing(connect(strange.ledger)) as db:
        db.execute("DELETE FROM facts WHERE name = 'place'")
        db.execute("UPDATE pictures SET original = '../../../etc/passwd'")
    with pytest.raises(LedgerDamaged):
        exported(strange, "captions", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_source_type_says_whether_pictures_went_in(ledger, tmp_path):
    ledger.store(ledger.request("new"))
    ledger.store(ledger.request("edit", image=(Input("cup.png", f"sha256:{'0' * 64}"),)))
    exported(ledger.folder, "imagefolder", tmp_path / "out")
    assert [line["digital_source_type"].rpartition("/")[2] for line in lines(tmp_path / "out")] == [
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
    ]


def test_a_caption_is_one_line_since_trainers_read_no_further(ledger, tmp_path):
    ledger.store(ledger.request("a mug,\n\n  blue"))
    exported(ledger.folder, "captions", tmp_path / "out")
    (text,) = (tmp_path / "out").glob("*.txt")
    assert text.read_text() == "a mug, blue\n"


def test_films_are_exported_where_trainers_of_films_look_for_them(ledger, tmp_path):
    ledger.store(ledger.request("film"))
    ledger.db.execute("UPDATE pictures SET format = 'mp4'")
    ledger.store(ledger.request("still"))
    assert exported(ledger.folder, "webdataset", tmp_path / "tars").tally.pictures.total() == 2
    done = exported(ledger.folder, "parquet", tmp_path / "table")
    assert (done.tally.pictures.total(), done.tally.left_out) == (1, {"films": 1})
