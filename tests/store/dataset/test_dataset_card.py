"""The card: what the Hub reads of a folder, and the ways to read its table that it shows."""

import re

import pandas as pd
import pytest
import yaml

from batchgen.request import Input
from batchgen.store.dataset.dataset_card import _size_category
from batchgen.store.dataset.metadata import write_dataset
from tests import ledgers
from tests.loaders import by_duckdb


@pytest.fixture
def ledger(tmp_path):
    with ledgers.build(tmp_path / "mugs") as builder:
        builder.begin()
        yield builder


def card(ledger):
    write_dataset(ledger.folder)
    return (ledger.folder.root / "README.md").read_text(encoding="utf-8")


def front(text):
    return yaml.safe_load(text.split("---\n")[1])


def blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_the_hub_finds_name_task_tags_and_size(ledger):
    ledger.store(ledger.request())
    found = front(card(ledger))
    assert {name: found[name] for name in found if name != "configs"} == {
        "pretty_name": "mugs",
        "license": "unknown",
        "task_categories": ["text-to-image"],
        "tags": ["synthetic", "batchgen"],
        "size_categories": ["n<1K"],
    }


def test_edits_and_films_are_tasks_of_their_own(ledger):
    ledger.store(ledger.request("a"))
    ledger.store(ledger.request("b", image=(Input("a.png", "sha256:aa"),)))
    assert front(card(ledger))["task_categories"] == ["text-to-image", "image-to-image"]


@pytest.mark.parametrize(
    ("rows", "category"),
    [(0, "n<1K"), (999, "n<1K"), (1_000, "1K<n<10K"), (99_999, "10K<n<100K"), (5_000_000, "1M<n<10M")],
)
def test_sizes_are_the_hubs_own_words(rows, category):
    assert _size_category(rows) == category


def test_a_licence_that_a_person_put_in_stays(ledger):
    ledger.store(ledger.request())
    path = ledger.folder.root / "README.md"
    path.write_text(card(ledger).replace("license: unknown", "license: cc-by-4.0"), encoding="utf-8")
    assert front(card(ledger))["license"] == "cc-by-4.0"


@pytest.mark.parametrize("text", ["", "no card", "---\nlicense: [a, b]\n---\n", "\nlicense: mit\n", "---\nlicense"])
def test_a_file_that_states_no_licence_leaves_it_unknown(ledger, text):
    (ledger.folder.root / "README.md").write_text(text, encoding="utf-8")
    assert front(card(ledger))["license"] == "unknown"


@pytest.mark.filterwarnings("ignore:The 'convert_dates' keyword:DeprecationWarning")
def test_the_ways_to_read_the_table_that_the_card_shows_give_the_text_as_it_was_written(ledger):
    ledger.store(ledger.request(columns={"date": "2024-01-02", "number": "007"}))
    text = card(ledger).replace("path/to/this/folder", str(ledger.folder.root))
    for program in blocks(text, "python")[1:]:
        names = {}
        exec(program.replace("import pandas\n", ""), {"pandas": pd}, names)
        (table,) = names.values()
        assert table[["date", "number"]].to_numpy().tolist() == [["2024-01-02", "007"]]
    (statement,) = blocks(text, "sql")
    (line,) = by_duckdb(re.search("'(.*)'", statement)[1])
    assert (line["date"], line["number"]) == ("2024-01-02", "007")
