"""report.csv opens in a spreadsheet without running anything, and keeps the text."""

import csv

import pandas as pd
import pytest

from batchgen.report import write_report
from batchgen.report.csv import decimal, inert
from batchgen.tokens import Usage


def rows(ledger):
    write_report(ledger.folder)
    with (ledger.folder.root / "report.csv").open(newline="", encoding="utf-8-sig") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_a_cell_that_starts_like_a_formula_gets_an_apostrophe(start):
    assert inert(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("text", ["a=1", "1-2", "", None, "'=1"])
def test_other_text_stays_as_it_is(text):
    assert inert(text) == text


def test_formulas_are_inert_in_every_text_column(ledger):
    ledger.begin()
    formula = '=HYPERLINK("http://x","y")'
    request = ledger.request(formula, model=formula, columns={"@SUM": formula}, size=formula)
    ledger.fail(request, reason=formula, message=formula)
    (row,) = rows(ledger)

    for column in ("prompt", "model", "'@SUM", "size", "reason", "message"):
        assert row[column] == f"'{formula}"


@pytest.mark.parametrize(("microusd", "text"), [(0, "0.000000"), (1, "0.000001"), (12_345_678, "12.345678")])
def test_amounts_are_exact(microusd, text):
    assert decimal(microusd) == text


def test_every_touched_request_has_a_row(eventful):
    states = [row["state"] for row in rows(eventful)]

    assert states == ["stored"] * 6 + ["in doubt", "stored", "refused", "spoiled", "waiting"]


def test_awkward_text_survives(ledger):
    ledger.begin()
    values = ["NA", "007", 'quote " and , comma', "two\nlines", "two\rlines", "\r\n", "東京 🫖"]
    for value in values:
        ledger.store(ledger.request(value, columns={"label": value}))

    assert [row["label"] for row in rows(ledger)] == [inert(value) for value in values]
    table = pd.read_csv(ledger.folder.root / "report.csv", dtype=str, keep_default_na=False)
    assert table["prompt"].tolist() == [inert(value) for value in values]


def test_rows_end_with_a_line_feed_alone(ledger):
    ledger.begin()
    ledger.store(ledger.request("two\rlines"))
    write_report(ledger.folder)
    content = (ledger.folder.root / "report.csv").read_bytes()
    assert content.count(b"\n") == 2
    assert content.count(b"\r") == 1


def test_a_column_of_the_user_with_a_name_of_ours_is_told_apart(ledger):
    ledger.begin()
    ledger.store(ledger.request(columns={"state": "Ohio"}))
    (row,) = rows(ledger)

    assert (row["state"], row["state_column"]) == ("stored", "Ohio")


def test_a_row_names_its_first_picture_and_counts_them(ledger):
    ledger.begin()
    file, *_ = ledger.store(ledger.request(), kinds=("PNG", "WEBP"))
    (row,) = rows(ledger)

    assert (row["file_name"], row["pictures"]) == (file, "2")


def test_a_cost_and_a_time_stand_beside_their_sources_and_tokens(ledger):
    ledger.begin()
    more = {"source": "tokens", "usage": Usage(40, 10, 0, 4160)}
    ledger.store(ledger.request("a"), billed=0, estimated=166_700, flag="not stated", latency_ms=None, **more)
    (row,) = rows(ledger)

    assert (row["estimated_usd"], row["cost_source"]) == ("0.166700", "tokens")
    assert (row["input_tokens"], row["output_tokens"]) == ("50", "4160")
    assert (row["latency_ms"], row["latency_source"]) == ("50", "request")


def test_excel_is_told_that_the_letters_are_utf_8_and_other_readers_find_no_mark(ledger):
    ledger.begin()
    ledger.store(ledger.request("Müßiggang 東京"))
    write_report(ledger.folder)
    content = (ledger.folder.root / "report.csv").read_bytes()

    assert content.startswith(b"\xef\xbb\xbfkey,state,")
    assert content.count(b"\xef\xbb\xbf") == 1
    table = pd.read_csv(ledger.folder.root / "report.csv")
    assert (table.columns[0], table["prompt"].tolist()) == ("key", ["Müßiggang 東京"])
