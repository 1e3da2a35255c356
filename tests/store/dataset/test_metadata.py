"""metadata.jsonl, failures.jsonl and the card, read with the loaders our users use."""

import json

import msgspec
import pytest
import yaml

from batchgen.errors import LedgerDamaged
from batchgen.manifest import RESERVED_COLUMNS
from batchgen.request import Input, State
from batchgen.store.dataset.metadata import TAKEN, is_taken, write_dataset
from batchgen.store.folder.atomic import replace_synced
from batchgen.store.folder.view import View
from batchgen.store.ledger import names
from batchgen.store.ledger.row_metadata import Described
from batchgen.store.ledger.transitions import Bill
from batchgen.tokens import Usage
from tests import ledgers


@pytest.fixture
def ledger(tmp_path):
    with ledgers.build(tmp_path / "mugs") as builder:
        builder.begin()
        yield builder


@pytest.fixture
def load(tmp_path, monkeypatch):
    """`load_dataset`, as a user without network calls it."""
    for name in ("HF_HOME", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, str(tmp_path / "hf"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()

    def load(*words, **options):
        return datasets.load_dataset(*words, split="train", cache_dir=str(tmp_path / "hf"), **options)

    return load


def lines(folder, name):
    return [json.loads(line) for line in (folder.root / name).read_text().splitlines()]


def metadata(ledger):
    write_dataset(ledger.folder)
    return lines(ledger.folder, "metadata.jsonl")


def by_both_ways(load, folder):
    return [load("imagefolder", data_dir=str(folder.root)), load(str(folder.root))]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_both_ways_of_loading_give_every_picture_with_its_columns(ledger, load):
    awkward = ["NA", "007", "", "1e5", "no", "Zürich 東京 🫖", 'quote " comma , line\nbreak']
    for number, value in enumerate(awkward):
        kind = ("PNG", "WEBP", "JPEG")[number % 3]
        columns = {"label": value} if value else {"other": "2"}
        ledger.store(ledger.request(f"mug {number}", columns=columns), kinds=(kind,))
    write_dataset(ledger.folder)
    for name in ("report.csv", "summary.json", "report.html"):
        replace_synced(ledger.folder.root / name, b"{}")

    for pictures in by_both_ways(load, ledger.folder):
        assert pictures["label"] == [value or None for value in awkward]
        assert pictures["other"] == [None, None, "2", None, None, None, None]
        assert [picture.format for picture in pictures["image"]] == [
            "PNG",
            "WEBP",
            "JPEG",
            "PNG",
            "WEBP",
            "JPEG",
            "PNG",
        ]
        assert pictures["cost_usd"] == [0.04] * 7


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_folder_that_was_loaded_is_loaded_anew_once_it_has_more_pictures(ledger, load):
    # `datasets` keeps what it loaded by the card's words alone, not by what lies in the files.
    ledger.store(ledger.request("a mug"))
    ledger.store(ledger.request("a jug"))
    write_dataset(ledger.folder)
    before = load(str(ledger.folder.root)).cache_files
    assert load(str(ledger.folder.root)).cache_files == before

    ledger.store(ledger.request("a cup"))
    write_dataset(ledger.folder)
    assert load(str(ledger.folder.root))["prompt"] == ["a mug", "a jug", "a cup"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_a_column_that_starts_after_ten_megabytes_still_loads(ledger, load):
    # The loader guesses types from the first 10 MB; the card states them.
    for number in range(12):
        ledger.store(ledger.request("x" * 1_000_000, columns={"late": "7"} if number == 11 else {}, repeat=number + 1))
    write_dataset(ledger.folder)

    assert load(str(ledger.folder.root))["late"] == [None] * 11 + ["7"]


def test_every_line_has_the_same_keys_and_the_file_name_first(ledger):
    ledger.store(ledger.request("a", columns={"subject": "mug"}, size="1024x1024"))
    ledger.store(ledger.request("b", axes={"model": "maker/one", "style": "ink"}, quality="low"), latency_ms=None)
    first, second = metadata(ledger)

    assert list(first) == list(second)
    assert list(first)[:6] == ["file_name", "key", "provider", "model", "prompt", "quality"]
    assert (first["style"], second["style"]) == (None, "ink")
    assert (second["latency_ms"], second["latency_source"]) == (50, "request")


def test_lines_follow_the_plan_not_the_order_of_answers(ledger):
    late, early = ledger.request("late"), ledger.request("early")
    ledger.store(early)
    ledger.store(late)

    assert [line["prompt"] for line in metadata(ledger)] == ["late", "early"]


def test_a_titled_value_stands_under_its_title(ledger):
    ledger.store(ledger.request("a", columns={"style": "loose watercolor"}, axes={"style": "watercolor"}))

    assert metadata(ledger)[0]["style"] == "watercolor"


def test_costs_of_an_answer_with_several_pictures_add_up_to_the_bill(ledger):
    ledger.store(ledger.request("layers"), billed=70_000, kinds=("PNG", "PNG", "WEBP"))
    ledger.store(ledger.request("one"), billed=30_000)
    written = metadata(ledger)

    assert [line["cost_usd"] for line in written] == [0.07, 0.0, 0.0, 0.03]
    assert [line["format"] for line in written] == ["png", "png", "webp", "png"]


@pytest.mark.parametrize(
    ("money", "cost_usd", "source"),
    [
        pytest.param({"billed": 40_000}, 0.04, "answer", id="stated"),
        pytest.param({"billed": 0, "source": "usage"}, 0.0, "usage", id="stated as nothing"),
        pytest.param({"billed": 0, "estimated": 50_000, "flag": "not stated"}, 0.05, "manifest", id="estimated"),
        pytest.param({"billed": 0, "flag": "not stated"}, 0.0, "manifest", id="free by the job file"),
        pytest.param({"billed": 0, "flag": "not stated", "source": None}, None, None, id="unknown"),
    ],
)
def test_a_cost_says_where_it_comes_from(ledger, money, cost_usd, source):
    ledger.store(ledger.request(), **money)
    (line,) = metadata(ledger)

    assert (line["cost_usd"], line["cost_source"]) == (cost_usd, source)


def test_an_estimate_of_one_attempt_makes_the_cost_of_a_request_one(ledger):
    request = ledger.request()
    ticket = ledger.send(request)
    ledger.answer(ticket, Bill(0, 30_000, "not stated", "tokens", Usage(40, 10, 0, 700)))
    ledger.db.execute("UPDATE requests SET state = 'spoiled'")
    ledger.store(request, billed=40_000, usage=Usage(40, 0, 0, 800))
    (line,) = metadata(ledger)

    assert (line["cost_usd"], line["cost_source"]) == (0.07, "tokens")
    assert (line["input_tokens"], line["output_tokens"]) == (90, 1_500)


@pytest.mark.parametrize(("stated_ms", "told"), [(1_500, (1_500, "service")), (None, (50, "request"))])
def test_a_latency_that_no_service_states_is_the_request_s_own_time(ledger, stated_ms, told):
    ledger.store(ledger.request(), latency_ms=stated_ms)
    (line,) = metadata(ledger)

    assert (line["latency_ms"], line["latency_source"]) == told


def test_a_repeated_request_costs_what_all_its_attempts_cost(ledger):
    request = ledger.request()
    ledger.fail(request, State.SPOILED, reason="no picture", billed_microusd=20_000)
    ledger.store(request, billed=40_000)
    (line,) = metadata(ledger)

    assert (line["cost_usd"], line["attempts"]) == (0.06, 2)


def test_times_are_the_services_the_last_attempts_and_the_whole(ledger):
    request = ledger.request()
    ledger.fail(request, State.WAITING, reason="throttled", status=429)
    ledger.store(request, latency_ms=2_000)
    (line,) = metadata(ledger)

    assert (line["latency_ms"], line["request_ms"], line["total_ms"]) == (2_000, 2_050, 2_600)
    assert line["created_at"] == "2026-03-01T12:00:02.500Z"


def test_input_pictures_are_named_by_their_digests(ledger):
    ledger.store(ledger.request(image=(Input("a.png", "sha256:aa"), Input("b.png", "sha256:bb"))))

    assert metadata(ledger)[0]["inputs"] == "sha256:aa sha256:bb"


def test_failures_hold_what_ended_otherwise_with_its_money(ledger):
    ledger.store(ledger.request("good"))
    ledger.fail(ledger.request("bad", columns={"subject": "mug"}), message="flagged")
    ledger.fail(ledger.request("lost"), State.DOUBT, reason="deadline", status=None, maybe_microusd=40_000)
    ledger.send(ledger.request("on its way"))

    assert write_dataset(ledger.folder).failures == 2
    refused, doubt = lines(ledger.folder, "failures.jsonl")
    assert (refused["state"], refused["class"], refused["message"], refused["status"]) == (
        "refused",
        "moderation",
        "flagged",
        400,
    )
    assert (refused["parameters"], refused["columns"]) == ({"prompt": "bad"}, {"subject": "mug"})
    assert (doubt["state"], doubt["billed_usd"], doubt["maybe_billed_usd"]) == ("in doubt", 0.0, 0.04)


def test_simulated_pictures_say_so_on_every_line_and_in_the_card(tmp_path):
    with ledgers.build(tmp_path / "play") as ledger:
        ledger.begin(simulated=True)
        ledger.store(ledger.request())

        assert metadata(ledger)[0]["simulated"] is True
        assert "no real money was spent" in (ledger.folder.root / "README.md").read_text()


HOSTILE = "---\nconfigs: []\n<img src=x onerror=alert(1)> [x](javascript:y) `| \x1b[31m \u202e"


def test_a_hostile_name_is_plain_text_in_the_card_and_its_front_matter(ledger):
    ledger.store(msgspec.structs.replace(ledger.request(columns={HOSTILE: "1"}), model=HOSTILE))
    write_dataset(ledger.folder)
    _, front, text = (ledger.folder.root / "README.md").read_text().split("---\n", 2)

    (configuration,) = yaml.safe_load(front)["configs"]
    assert configuration["data_files"] == [{"split": "train", "path": ["dataset.parquet", "images/**", "images/**"]}]
    assert {"name": HOSTILE, "dtype": "string"} in configuration["features"]
    assert "\\<img" in text
    assert not {"\x1b", "\u202e"} & set(text)


@pytest.mark.parametrize("name", ["file_name", "cost_usd", "mask_file_name", "image", "file_names"])
def test_names_of_ours_and_names_that_mean_files_are_taken(name):
    assert is_taken(name)
    assert not is_taken("subject")


def test_an_empty_ledger_gives_empty_files(ledger):
    written = write_dataset(ledger.folder)

    assert (written.pictures, written.failures) == (0, 0)
    assert (ledger.folder.root / "metadata.jsonl").read_text() == ""


@pytest.mark.parametrize("column", ["canonical", "columns", "axes"])
@pytest.mark.parametrize("text", ["no JSON", "[]", '{"a": 1}', '{"parameters": 7}', "[" * 100_000])
def test_the_old_file_stands_where_writing_fails(ledger, column, text):
    ledger.store(ledger.request())
    before = metadata(ledger)
    ledger.db.execute(f"UPDATE requests SET {column} = ?", (text,))

    with pytest.raises(LedgerDamaged, match="can't be read"):
        write_dataset(ledger.folder)
    assert lines(ledger.folder, "metadata.jsonl") == before
    assert not list(ledger.folder.root.glob(".*.part"))


def test_more_requests_than_one_batch_keep_their_order(ledger):
    ledger.db.execute("BEGIN")
    for number in range(1_002):
        request = ledger.request(f"mug {number}")
        ticket = ledger.send(request)
        ledger.answer(ticket, Bill(40_000))
        ledger.db.execute("UPDATE requests SET state = 'stored' WHERE id = ?", (ticket.request_id,))
        ledger.db.execute(
            "INSERT INTO pictures (request_id, ordinal, original, sha256, bytes, format)"
            " VALUES (?, 1, ?, 'ab', 1, 'png')",
            (ticket.request_id, f"{request.key[:2]}/{request.key}-1.png"),
        )
        names.want(ledger.db, ticket.request_id, now_ms=1)
    ledger.db.execute("COMMIT")

    assert [line["prompt"] for line in metadata(ledger)] == [f"mug {number}" for number in range(1_002)]


def test_no_column_that_the_manifest_lets_through_is_left_out_of_the_metadata():
    allowed_twice = {"model", "prompt", "repeat", "image", "size", "quality", "output_format"}
    assert {name for name in TAKEN if name not in RESERVED_COLUMNS} <= allowed_twice


def also(ledger, request, *rows):
    """Further rows that ask for the same, each with a name and columns of its own."""
    asked = [
        msgspec.structs.replace(request, index=place, row=place, columns=columns)
        for place, (_, columns) in enumerate(rows, 50)
    ]
    described = [Described(one, f"images/{name}", named=True) for one, (name, _) in zip(asked, rows, strict=True)]
    ledgers.share(ledger.db, described)
    names.record(ledger.db, View(ledger.folder).settle(names.unsettled(ledger.db)))


def test_every_row_that_asks_for_the_same_has_a_line_with_its_own_columns_and_the_bill_is_in_the_first(ledger):
    mug = ledger.request("mug", columns={"shelf": "a"})
    ledger.store(mug, billed=40_000, kinds=("PNG", "WEBP"), name="images/first.png")
    also(ledger, mug, ("second", {"shelf": "b"}), ("third", {"shelf": "c", "more": "d"}))
    found = metadata(ledger)

    assert [(line["file_name"], line["shelf"], line["more"], line["row"]) for line in found] == [
        ("images/first.png", "a", None, 0),
        ("images/second.png", "b", None, 50),
        ("images/third.png", "c", "d", 51),
        ("images/first-2.webp", "a", None, 0),
        ("images/second-2.webp", "b", None, 50),
        ("images/third-2.webp", "c", "d", 51),
    ]
    assert [line["cost_usd"] for line in found] == [0.04, 0, 0, 0, 0, 0]
    assert [line["shares"] for line in found] == [None, mug.key, mug.key] * 2
    assert {(line["key"], line["prompt"]) for line in found} == {(mug.key, "mug")}


def test_a_name_that_its_user_deleted_has_no_line(ledger):
    mug = ledger.request("mug", columns={"shelf": "a"})
    ledger.store(mug, kinds=("PNG", "WEBP"), name="images/mug.png")
    ledger.store(ledger.request("cup"), name="images/cup.png")
    names.record_deleted(ledger.db, ["images/mug-2.webp"])

    assert [line["file_name"] for line in metadata(ledger)] == ["images/mug.png", "images/cup.png"]


def test_what_was_retired_has_no_line(ledger):
    ledger.store(ledger.request("mug"))
    ledger.fail(ledger.request("cup"))
    names.retire(ledger.db, [1], now_ms=1)
    ledger.db.execute("UPDATE requests SET retired_ms = 1 WHERE id = 2")
    written = write_dataset(ledger.folder)

    assert (written.pictures, written.failures) == (0, 0)


@pytest.mark.parametrize("gone", ["first", "second"])
def test_costs_add_up_to_the_bill_whichever_name_was_deleted(ledger, gone):
    mug = ledger.request("mug", columns={"shelf": "a"})
    ledger.store(mug, billed=40_000, name="images/first.png")
    also(ledger, mug, ("second", {"shelf": "b"}))
    names.record_deleted(ledger.db, [f"images/{gone}.png"])
    (line,) = metadata(ledger)

    assert line["file_name"] != f"images/{gone}.png"
    assert line["shelf"] == ("b" if gone == "first" else "a")
    assert line["cost_usd"] == 0.04
