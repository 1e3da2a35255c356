"""A lost ledger comes back from what stands beside it; nothing that was paid for is bought again unasked."""

import json
import shutil
from contextlib import closing

import pytest

from batchgen.errors import UsageError
from batchgen.request import State
from batchgen.store.dataset.leftovers import is_lost
from batchgen.store.dataset.metadata import write_dataset
from batchgen.store.dataset.rebuild import rebuild
from batchgen.store.folder.run_folder import NotWritable, RunFolder
from batchgen.store.ledger.reader import Reader
from batchgen.store.ledger.records import records, snapshot
from tests import ledgers
from tests.store.disks import fill, small_disk


@pytest.fixture
def mugs(tmp_path):
    """A folder with five stored requests, one of two pictures, and one of each other end; gives it and its plan."""
    plan = []
    with ledgers.build(tmp_path / "mugs") as book:
        book.begin()
        for number in range(5):
            request = book.request(f"mug {number}", columns={"shelf": str(number)}, axes={"style": "ink"}, size="64x64")
            cost = {"billed": 0, "estimated": 7, "flag": "not stated"} if number == 3 else {}
            book.store(request, kinds=("PNG", "PNG") if number == 4 else ("PNG",), **cost)
            plan.append(request)
        for state, money in (
            (State.REFUSED, {}),
            (State.SPOILED, {"billed_microusd": 9}),
            (State.DOUBT, {"maybe_microusd": 11}),
        ):
            plan.append(book.request(str(state)))
            book.fail(plan[-1], state, **money)
        book.end()
        folder = book.folder
    folder.spool.mkdir()
    write_dataset(folder)
    return folder, plan


def stems(plan):
    return [(request, f"images/00000/{request.index:09d}-0-{request.key[:8]}") for request in plan]


def everything(folder):
    """What is known of each request, but for what no derived file tells."""
    with snapshot(folder.ledger) as db:
        return [
            (
                *(one.key, one.state, one.model, one.row, one.repeat, one.pictures),
                *(dict(one.words), dict(one.columns), dict(one.axes)),
                *(one.billed_microusd, one.maybe_microusd, one.estimated_microusd, one.cost_source),
                *(one.latency_ms, one.reason, one.message, one.status),
                *((one.request_ms, one.total_ms, one.answered_ms) if one.state == "stored" else ()),
            )
            for one in records(db)
        ]


def test_with_its_plan_a_ledger_comes_back_as_it_was(mugs):
    folder, plan = mugs
    before = everything(folder)
    lines = (folder.root / "metadata.jsonl").read_bytes()
    folder.ledger.unlink()
    assert is_lost(folder)
    rebuilt = rebuild(folder, stems(plan), confirmed=False)
    assert not is_lost(folder)
    assert everything(folder) == before
    assert str(rebuilt) == "5 requests stored, 3 that ended otherwise"
    write_dataset(folder)
    assert (folder.root / "metadata.jsonl").read_bytes() == lines


def test_without_a_plan_keys_files_and_money_come_back(mugs):
    folder, _ = mugs
    with closing(Reader(folder.ledger)) as reader:
        spent, count = reader.spent(), reader.count()
    folder.ledger.unlink()
    rebuild(folder, [], confirmed=False)
    with closing(Reader(folder.ledger)) as reader:
        assert (reader.spent(), reader.count()) == (spent, count)


@pytest.mark.parametrize("how", ["deleted", "altered", "cut", "linked"])
def test_a_picture_that_is_not_what_its_line_says_is_spoiled_and_not_bought_again_by_itself(mugs, how):
    folder, plan = mugs
    first = json.loads((folder.root / "metadata.jsonl").read_text().splitlines()[0])
    path = folder.root / first["file_name"]
    content = path.read_bytes()
    match how:
        case "deleted":
            path.unlink()
        case "altered":
            path.write_bytes(b"\0" + content[1:])
        case "cut":
            path.write_bytes(content[:-1])
        case "linked":
            path.rename(folder.root / "moved.png")
            path.symlink_to(folder.root / "moved.png")
    folder.ledger.unlink()
    rebuilt = rebuild(folder, stems(plan), confirmed=False)
    assert (rebuilt.stored, rebuilt.lost) == (4, 1)
    with closing(Reader(folder.ledger)) as reader:
        assert reader.states([first["key"]]) == {first["key"]: State.SPOILED}


def test_pictures_without_a_line_are_known_by_a_name_that_holds_their_key(mugs):
    folder, plan = mugs
    for name in ("metadata.jsonl", "failures.jsonl", "README.md"):
        (folder.root / name).unlink()
    folder.ledger.unlink()
    # The second picture of the last request is nobody's by its name.
    with pytest.raises(UsageError, match=r"1 files or lines .* such as images/.*--yes"):
        rebuild(folder, stems(plan), confirmed=False)
    assert not folder.ledger.exists()
    rebuilt = rebuild(folder, stems(plan), confirmed=True)
    assert (rebuilt.stored, rebuilt.named, rebuilt.unmatched) == (5, 5, 1)


JUNK = [
    b"{",
    b"\xff\xfe",
    b"[]",
    b'{"key": 5}',
    b'{"key": "a"}',
    json.dumps(
        {
            "key": "a",
            "file_name": "images/../../etc/passwd",
            "provider": "p",
            "model": "m",
            "repeat": 1,
            "row": 0,
            "cost_usd": 1,
            "cost_source": "stated",
            "format": "png",
            "width": 1,
            "height": 1,
            "bytes": 1,
            "sha256": "0",
            "revised_prompt": None,
        }
    ).encode(),
]


@pytest.mark.parametrize("junk", JUNK)
@pytest.mark.parametrize("name", ["metadata.jsonl", "failures.jsonl"])
def test_a_line_that_nobody_can_read_is_said_and_leaves_the_others_alone(mugs, junk, name):
    folder, plan = mugs
    with (folder.root / name).open("ab") as stream:
        stream.write(junk + b"\n")
    folder.ledger.unlink()
    with pytest.raises(UsageError, match="1 files or lines"):
        rebuild(folder, stems(plan), confirmed=False)
    rebuilt = rebuild(folder, stems(plan), confirmed=True)
    assert (rebuilt.stored, rebuilt.failures, rebuilt.unmatched) == (5, 3, 1)


def test_the_log_of_the_lost_ledger_is_not_played_into_the_new_one(mugs):
    folder, plan = mugs
    folder.ledger.unlink()
    log = folder.state / "ledger.db-wal"
    log.write_bytes(b"an old log")
    rebuild(folder, stems(plan), confirmed=False)
    assert not log.exists()
    assert (folder.state / "ledger.db-wal.of-the-lost-ledger").read_bytes() == b"an old log"
    assert not list(folder.state.glob("rebuilding*"))


def test_a_disk_without_room_for_the_new_ledger_is_said_and_the_old_files_stand(tmp_path, mugs):
    folder, plan = mugs
    with small_disk(tmp_path / "disk") as disk:
        shutil.copytree(folder.root, disk / "mugs")
        full = RunFolder(disk / "mugs")
        full.ledger.unlink()
        fill(disk, leave=50_000)
        with pytest.raises(NotWritable, match="full"):
            rebuild(full, stems(plan), confirmed=False)
        assert is_lost(full)
        assert not list(full.state.glob("rebuilding*"))
