"""Columns of a ledger: every row once and in order, whatever gaps its numbers have."""

import sqlite3
from contextlib import closing

import pytest

from batchgen.store.ledger import bulk
from batchgen.store.ledger.bulk import aggregated, integers, texts

PAIRS = "SELECT group_concat(id), group_concat(run_id) FROM attempts WHERE id >= :least AND id <= :most"


@pytest.fixture
def db():
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE attempts (id INTEGER PRIMARY KEY, run_id INTEGER, reason TEXT)")
        yield db


@pytest.mark.parametrize("numbers", [[], [1], [1, 2, 3, 4, 5], [1, 3, 10**6, 10**15, 10**15 + 1]])
def test_every_row_comes_once_and_in_order(db, numbers, monkeypatch):
    monkeypatch.setattr(bulk, "_ROWS", 2)
    db.executemany("INSERT INTO attempts VALUES (?, ?, '')", [(number, -number) for number in reversed(numbers)])
    assert integers(db, PAIRS, "attempts", width=2).tolist() == [numbers, [-number for number in numbers]]


def test_a_range_of_which_nothing_is_wanted_is_passed_over(db, monkeypatch):
    monkeypatch.setattr(bulk, "_ROWS", 2)
    db.executemany("INSERT INTO attempts VALUES (?, ?, '')", [(number, number) for number in range(1, 9)])
    query = f"{PAIRS} AND run_id > 6"
    assert integers(db, query, "attempts", width=2).tolist() == [[7, 8], [7, 8]]


def test_texts_come_as_they_are(db):
    odd = ["", "a,b", 'quoted "x"', "two\nlines", "\x1e\x1f", "caf\u00e9 \u4e2d \U0001f600", "back\\slash"]
    db.executemany("INSERT INTO attempts VALUES (?, 0, ?)", enumerate(odd, 1))
    query = "SELECT json_group_array(reason) FROM attempts WHERE id >= :least AND id <= :most"
    assert [text for (joined,) in aggregated(db, query, "attempts") for text in texts(joined)] == odd
