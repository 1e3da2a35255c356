import shutil
import sqlite3
from contextlib import closing

import pytest

from batchgen.errors import LedgerDamaged
from batchgen.store.ledger.foreign import is_at_home
from batchgen.store.ledger.schema import connect, connect_read_only
from tests.ledgers import build


@pytest.fixture
def ledger(tmp_path):
    """A ledger with a stored request, a shared row and a request in doubt."""
    with build(tmp_path / "out") as builder:
        builder.begin()
        first = builder.request("a mug", columns={"title": "Mug"}, axes={"model": "one"})
        builder.store(first)
        builder.db.execute("INSERT INTO shares VALUES (?, 7, 7, '{}', '{}', 'images/00000/7')", (first.key,))
        builder.end()
        return builder.folder.ledger


def sent(ledger):
    """The same ledger as another file."""
    copied = ledger.with_name("sent.db")
    shutil.copyfile(ledger, copied)
    return copied


def test_a_ledger_is_at_home_where_it_was_made_and_a_copy_of_it_once_it_was_opened(ledger):
    with closing(connect_read_only(ledger)) as db:
        assert is_at_home(db, ledger)
    copied = sent(ledger)
    with closing(connect_read_only(copied)) as db:
        assert not is_at_home(db, copied)
    connect(copied).close()
    with closing(connect_read_only(copied)) as db:
        assert is_at_home(db, copied)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE requests SET key = 'mug'",
        "UPDATE requests SET columns = '[]'",
        "UPDATE requests SET axes = '{\"size\": 5}'",
        "UPDATE requests SET canonical = '{}'",
        "UPDATE requests SET answer = '../mug.body'",
        "UPDATE requests SET estimate_microusd = -1",
        "UPDATE shares SET columns = ''",
        "UPDATE pictures SET original = '../mug.png'",
        (
            "INSERT INTO other_takes (request_id, take, ordinal, original, sha256, bytes, format, first_sent_ms)"
            " SELECT request_id, 2, ordinal, '../mug.png', sha256, bytes, format, 1 FROM pictures"
        ),
        "UPDATE names SET file = '../mug.png'",
        "UPDATE names SET file = 'images/.mug.png'",
        "UPDATE names SET held = 'mug.png'",
        "UPDATE attempts SET billed_microusd = -1",
        "UPDATE attempts SET maybe_microusd = 9223372036854775807",
        "UPDATE runs SET orphans = '{'",
    ],
)
def test_a_value_that_batchgen_does_not_write_refuses_the_ledger_of_a_stranger(ledger, statement):
    with closing(sqlite3.connect(ledger)) as db, db:
        db.execute(statement)
    copied = sent(ledger)
    for opens in (connect, connect_read_only):
        with pytest.raises(LedgerDamaged, match="does not write"):
            opens(copied)
