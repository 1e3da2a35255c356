"""What the three files and the terminal say of one folder, and that they say the same."""

import io
import json
import os
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from batchgen.errors import LedgerDamaged
from batchgen.money import dollars
from batchgen.report import print_report, summarise, write_report
from batchgen.store.folder.run_folder import RunFolder
from tests import ledgers

GOLD = Path(__file__).parent / "gold"


def printed(report, width=80):
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=width))
    return stream.getvalue()


def compare(name, text):
    """Compares with the kept good copy; UPDATE_GOLD=1 keeps this one."""
    if os.environ.get("UPDATE_GOLD"):
        (GOLD / name).write_text(text)
    assert text == (GOLD / name).read_text()


def test_the_terminal_reads_as_the_kept_copy(eventful):
    text = printed(write_report(eventful.folder)).replace(str(eventful.folder.root), "FOLDER")

    compare("terminal.txt", "\n".join(line.rstrip() for line in text.splitlines()) + "\n")


def test_summary_json_reads_as_the_kept_copy(eventful):
    write_report(eventful.folder)

    compare("summary.json", (eventful.folder.root / "summary.json").read_text())


def test_csv_summary_and_terminal_agree_to_the_micro_dollar(eventful):
    report = write_report(eventful.folder)
    rows = pd.read_csv(eventful.folder.root / "report.csv", dtype=str)
    summary = json.loads((eventful.folder.root / "summary.json").read_text())

    for column, field in (
        ("billed_usd", "billed"),
        ("maybe_billed_usd", "maybe_billed"),
        ("estimated_usd", "estimated"),
    ):
        total = sum(map(Decimal, rows[column]))
        assert total * 1_000_000 == summary[f"{field}_microusd"]
        assert str(summary[f"{field}_usd"]) == str(float(total))
        assert dollars(int(total * 1_000_000)) in printed(report)
    assert len(rows) == summary["requests"] == sum(summary["states"].values())
    assert rows["pictures"].astype(int).sum() == summary["pictures"]


def test_models_add_up_to_the_whole(eventful):
    report = write_report(eventful.folder)

    assert sum(group.billed_microusd for group in report.models) == report.total.billed_microusd == 260_015
    assert sum(group.requests for group in report.models) == report.total.requests == 11


def test_the_price_of_a_picture_leaves_out_those_with_an_estimate(eventful):
    # Six pictures with a stated cost share the bill, the spoiled answer's part too; the seventh was estimated.
    assert write_report(eventful.folder).total.billed_per_picture_microusd == round(260_015 / 6)


def test_money_of_a_repeated_request_stays_with_it(ledger):
    # In doubt first, then sent again and stored: both sums stand, each in its own column.
    ledger.begin()
    request = ledger.request()
    ledger.fail(request, ledgers.State.DOUBT, reason="deadline", message="", status=None, maybe_microusd=45_000)
    ledger.store(request, billed=40_000)
    summary = summarise(ledger.folder)

    assert (summary.billed_microusd, summary.maybe_billed_microusd, summary.states["in doubt"]) == (40_000, 45_000, 0)


def test_time_between_runs_is_no_working_time(eventful):
    first, second = write_report(eventful.folder).runs
    summary = summarise(eventful.folder)

    assert summary.active_s == (first.active_ms + second.active_ms) / 1000 < 60
    assert summary.pictures_per_minute == pytest.approx(7 * 60 / summary.active_s)


def test_a_run_that_sent_nothing_does_not_lower_the_speed(eventful):
    before = summarise(eventful.folder).pictures_per_minute
    eventful.begin()
    eventful.now_ms += 60_000
    eventful.end()

    assert summarise(eventful.folder).pictures_per_minute == before


def test_a_running_ledger_can_be_read(ledger):
    ledger.begin()
    ledger.store(ledger.request("done"))
    ledger.send(ledger.request("on its way"))
    ledger.db.execute("BEGIN IMMEDIATE")
    report = write_report(ledger.folder)
    ledger.db.execute("ROLLBACK")

    assert (report.summary.states["sent"], report.summary.states["stored"]) == (1, 1)
    assert report.summary.last_run.exit_code is None
    assert "still running" in printed(report)


def test_an_empty_ledger_gives_a_sane_report(ledger):
    report = write_report(ledger.folder)

    assert (report.summary.requests, report.summary.success_rate, report.summary.last_run) == (0, None, None)
    assert "nothing was sent yet" in printed(report)
    assert len(pd.read_csv(ledger.folder.root / "report.csv")) == 0
    assert "Nothing was sent yet" in (ledger.folder.root / "report.html").read_text()


def test_a_simulated_folder_says_so_everywhere(ledger):
    ledger.begin(simulated=True)
    ledger.store(ledger.request())
    report = write_report(ledger.folder)

    assert json.loads((ledger.folder.root / "summary.json").read_text())["simulated"] is True
    for text in (printed(report), (ledger.folder.root / "report.html").read_text()):
        assert "simulated: no real money was spent" in text


def test_a_real_folder_is_not_called_simulated(eventful):
    report = write_report(eventful.folder)

    assert "simulated" not in printed(report)
    assert "simulated" not in (eventful.folder.root / "report.html").read_text()


def test_a_folder_without_a_ledger_is_refused(tmp_path):
    with pytest.raises(LedgerDamaged, match="no ledger here"):
        write_report(RunFolder(tmp_path))


def test_nothing_is_left_beside_the_files(eventful):
    write_report(eventful.folder)

    assert {path.name for path in eventful.folder.root.iterdir()} == {
        ".batchgen",
        "images",
        "report.csv",
        "report.html",
        "summary.json",
    }


def test_the_terminal_shows_foreign_text_as_text(ledger):
    ledger.begin()
    hostile = "\x1b[2J\x1b]0;title\x07 [bold red]no markup[/] \u202egnp.exe\u2066 \x9b31m"
    ledger.fail(ledger.request(model=hostile), reason=hostile, message=hostile)
    text = printed(write_report(ledger.folder), width=200)

    assert not {"\x1b", "\x07", "\x9b", "\u202e", "\u2066"} & set(text)
    assert "[bold red]no markup[/]" in text
    assert "\\u202e" in text


def test_the_terminal_stays_within_eighty_columns(eventful):
    long = "maker/" + "very-" * 30 + "long"
    eventful.fail(eventful.request(model=long, axes={"style": "s" * 200}), reason="r" * 90, message="m" * 300)
    lines = printed(write_report(eventful.folder)).splitlines()

    assert max(len(line) for line in lines if str(eventful.folder.root) not in line) <= 80


def test_output_that_is_no_terminal_has_no_colour(eventful):
    assert "\x1b" not in printed(write_report(eventful.folder))


def test_a_report_of_one_request_speaks_of_one_request_and_one_picture(ledger):
    ledger.begin(planned=1)
    ledger.store(ledger.request("alone"))
    ledger.end(0)
    report = write_report(ledger.folder)

    assert "1 request, 1 stored, 1 picture\n" in printed(report)
    page = (ledger.folder.root / "report.html").read_text()
    assert "of 1 request<" in page
    assert "· 1 run," in page
