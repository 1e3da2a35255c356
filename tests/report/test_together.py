"""The report of a plan's shards is the report of the plan."""

import io
import json

import pytest
from rich.console import Console

from batchgen.commands.together import missing_shards, read_together
from batchgen.errors import UsageError
from batchgen.report import print_report, reported, write_report
from tests.parts import divided


@pytest.fixture
def shards(eventful):
    return divided(eventful.folder, 4)


def printed(report):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=100))
    return stream.getvalue()


def without_prefixes(text, folders):
    for folder in folders:
        text = text.replace(f"../{folder.root.name}/", "")
    return text


def test_the_files_of_four_folders_are_those_of_one(eventful, shards, tmp_path):
    into = tmp_path / "together" / "mugs"
    into.mkdir(parents=True)
    write_report(eventful.folder)
    with read_together([shard.root for shard in shards], into) as joined:
        write_report(joined)
    for name in ("report.html", "report.csv", "summary.json"):
        whole = (eventful.folder.root / name).read_text(encoding="utf-8")
        found = (into / name).read_text(encoding="utf-8").replace("../../", "../")
        # Commands are for one of the folders; what the script says of sharing is for any.
        found, whole = (text.replace("FOLDER", str(eventful.folder.root)) for text in (found, whole))
        assert without_prefixes(found, shards) == whole, name


def test_the_terminal_says_the_same_of_four_folders_and_of_one(eventful, shards, tmp_path):
    with read_together([shard.root for shard in shards], tmp_path / "mugs2") as joined:
        found = printed(reported(joined))
    whole = printed(reported(eventful.folder))
    assert found.replace("FOLDER", str(eventful.folder.root)).replace("mugs2:", "mugs:") == whole


def test_pictures_are_shown_from_their_own_folders(shards, tmp_path):
    into = tmp_path / "together"
    into.mkdir()
    with read_together([shard.root for shard in shards], into) as joined:
        report = reported(joined)
    assert len(report.samples) == 7
    assert all((into / sample.file).resolve().is_relative_to(tmp_path) for sample in report.samples)
    assert {sample.file.split("/")[1] for sample in report.samples} <= {shard.root.name for shard in shards}


def test_shards_that_are_missing_or_there_twice_are_named(shards, eventful):
    assert missing_shards(shards) == ()
    assert missing_shards([eventful.folder]) == ()
    assert missing_shards(shards[1:3]) == ("2 shards of 4 are missing here: 0/4, 3/4",)
    assert missing_shards([*shards[:3], shards[0]]) == (
        "1 shard of 4 is missing here: 3/4",
        "0/4 is here in more than one folder; equal requests count once",
    )


def test_a_folder_that_is_named_twice_or_is_no_place_for_a_report_is_refused(shards, eventful):
    first = shards[0].root
    for paths, into, said in (
        ([first, shards[1].root, first], None, "is named twice"),
        ([first, shards[1].root], eventful.folder.root, "is a run folder"),
        ([first, first.parent / "none"], None, "there is no such folder"),
    ):
        with pytest.raises(UsageError, match=said), read_together(paths, into):
            pass


def test_the_way_out_of_doubt_in_a_shard_s_own_report_names_the_shard(shards):
    (doubtful,) = (shard for shard in shards if reported(shard).total.doubt)
    place = shards.index(doubtful)
    assert f"batchgen run jobs/mugs.yaml --shard {place}/4 --out {doubtful.root} --retry doubt" in printed(
        reported(doubtful)
    )


def test_one_folder_is_itself(eventful):
    with read_together([eventful.folder.root]) as folder:
        assert folder == eventful.folder


def test_one_summary_counts_what_is_in_all_folders(shards, tmp_path):
    with read_together([shard.root for shard in shards], tmp_path / "all") as joined:
        summary = json.loads(reported(joined).summary.to_json())
    assert (summary["requests"], summary["pictures"], summary["name"]) == (11, 7, "all")
