"""What the report names one by one: of each class of errors a few that differ, with the requests they were of."""

import pytest

from batchgen.report import write_report
from batchgen.report.lists import read_errors
from batchgen.request import State
from batchgen.store.ledger.records import snapshot


def examples(ledger, failures):
    ledger.begin()
    for model, message in failures:
        ledger.fail(ledger.request(f"mug {ledger.made}", model=model), message=message)
    with snapshot(ledger.folder.ledger) as db:
        (error,) = read_errors(db)
    return error


@pytest.mark.parametrize(
    ("failures", "shown"),
    [
        ([("a", "no")], ["a: no"]),
        ([("a", "no"), ("a", "no")], ["a: no"]),
        ([("a", "no"), ("b", "no"), ("a", "never")], ["a: never", "b: no", "a: no"]),
        (
            [("a", "wait 5 s"), ("a", "wait 6 s"), ("a", "id 7f-02: no"), ("a", "id 9c-11: no")],
            ["a: id 9c-11: no", "a: wait 6 s"],
        ),
        ([("a", text) for text in ("one", "two", "three", "four")], ["a: four", "a: three", "a: two"]),
        ([("c", "no"), ("b", "no"), ("a", "no"), ("a", "never")], ["a: never", "a: no", "b: no"]),
        ([("a", "")], ["a: "]),
    ],
    ids=["one", "the same", "models", "numbers", "three at most", "messages first", "without a message"],
)
def test_a_class_of_errors_shows_the_newest_that_differ(ledger, failures, shown):
    error = examples(ledger, failures)
    assert [f"{one.model}: {one.message}" for one in error.examples] == shown
    assert (error.attempts, error.requests) == (len(failures), len(failures))
    assert error.example == error.examples[0].message


def test_an_example_names_the_request_that_met_it(ledger):
    ledger.begin()
    request = ledger.request("rude", model="maker/two")
    ledger.fail(request, message="flagged")
    ledger.fail(ledger.request("empty"), State.SPOILED, reason="no picture", message="it is empty")
    with snapshot(ledger.folder.ledger) as db:
        refused = next(error for error in read_errors(db) if error.name == "moderation")
    assert [(one.key, one.row, one.model) for one in refused.examples] == [(request.key, request.row, "maker/two")]


def test_the_page_shows_each_example_escaped_and_clipped_with_its_row_and_key(ledger):
    error = examples(ledger, [("maker/one", "<b>no</b> " * 100), ("maker/two", "no")])
    write_report(ledger.folder)
    page = (ledger.folder.root / "report.html").read_text()
    for one in error.examples:
        assert f"row {one.row} \u00b7 {one.model}" in page
        assert one.key in page
    assert "&lt;b&gt;no&lt;/b&gt;" in page
    assert "<b>no</b>" not in page
    assert "&lt;b&gt;no&lt;/b&gt; " * 50 not in page


def test_what_stands_out_links_a_picture_that_is_there_and_says_of_others_what_happened(ledger):
    ledger.begin()
    shown, gone, retired = (ledger.request(name) for name in ("shown", "gone", "retired"))
    (kept,) = ledger.store(shown, billed=10_000, latency_ms=1_000)
    (lost,) = ledger.store(gone, billed=20_000, latency_ms=2_000)
    ledger.store(retired, billed=30_000, latency_ms=3_000)
    (ledger.folder.root / lost).unlink()
    ledger.retire(3)
    ledger.fail(ledger.request("rude"), reason="moderation")
    ledger.fail(ledger.request("empty"), State.SPOILED, reason="no picture", billed_microusd=40_000)
    report = write_report(ledger.folder)

    assert [(one.prompt, one.file, one.instead) for one in report.dearest] == [
        ("empty", "", "spoiled: no picture"),
        ("retired", "", "not in images/ any more"),
        ("gone", "", "not in images/ any more"),
        ("shown", kept, ""),
    ]
    assert [one.prompt for one in report.slowest] == ["retired", "gone", "shown"]
    table = (ledger.folder.root / "report.html").read_text().partition("The dearest")[2].partition("</table>")[0]
    assert table.count("<a href=") == 1
    assert "spoiled: no picture" in table
