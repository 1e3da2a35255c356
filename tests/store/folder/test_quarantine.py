"""What only a lost ledger could read is kept under a name that nothing takes for its successor's."""

import pytest

from batchgen.store.folder.quarantine import set_aside_bodies, set_aside_logs
from batchgen.store.folder.run_folder import RunFolder


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path / "out")
    made.spool.mkdir(parents=True)
    for name in ("1.body", "2.unbilled", ".3.part"):
        (made.spool / name).write_bytes(b"paid")
    return made


def names(folder):
    return sorted(path.name for path in folder.spool.iterdir())


@pytest.mark.parametrize("left", [None, b""])
def test_the_answers_of_a_lost_ledger_are_kept_and_the_paid_ones_are_told(folder, left):
    if left is not None:
        folder.ledger.write_bytes(left)
    assert [path.name for path in set_aside_bodies(folder)] == ["1.body.of-the-lost-ledger"]
    assert names(folder) == [".3.part", "1.body.of-the-lost-ledger", "2.unbilled.of-the-lost-ledger"]
    assert (folder.spool / "1.body.of-the-lost-ledger").read_bytes() == b"paid"
    assert set_aside_bodies(folder) == []


def test_the_answers_of_a_ledger_that_is_there_stay_where_they_are(folder):
    folder.ledger.write_bytes(b"a ledger")
    before = names(folder)
    assert set_aside_bodies(folder) == []
    assert names(folder) == before


def test_logs_are_kept_and_the_ledger_itself_is_not_touched(folder):
    folder.ledger.write_bytes(b"a ledger")
    log = folder.ledger.with_name("ledger.db-wal")
    log.write_bytes(b"an old log")
    set_aside_logs(folder.ledger)
    assert sorted(path.name for path in folder.state.glob("ledger.db*")) == [
        "ledger.db",
        "ledger.db-wal.of-the-lost-ledger",
    ]
