import pytest

from batchgen.errors import ManifestError
from batchgen.manifest.yaml import read_yaml


@pytest.mark.parametrize(
    "text",
    [
        "16:9",
        "012",
        "0x1f",
        "1e5",
        "1_000",
        "no",
        "Yes",
        "on",
        "2024-01-01",
        "12:30:45",
        ".inf",
        ".nan",
        "NULL",
        "=",
        "5",
    ],
)
def test_a_plain_scalar_stays_the_text_it_is(text):
    assert read_yaml(f"a: {text}\n", "job.yaml").data == {"a": text}


@pytest.mark.parametrize("text", ["", "~", "null"])
def test_only_three_plain_texts_mean_nothing(text):
    assert read_yaml(f"a: {text}\n", "job.yaml").data == {"a": None}


@pytest.mark.parametrize("text", ["''", "'~'", '"null"'])
def test_a_quoted_text_is_never_nothing(text):
    assert read_yaml(f"a: {text}\n", "job.yaml").data == {"a": text[1:-1]}


def test_every_value_knows_its_line():
    document = read_yaml("a: b\nc:\n  - d\n  - {e: f}\ng: >\n  h\n", "job.yaml")
    lines = {("a",): 1, ("c",): 2, ("c", 0): 3, ("c", 1): 4, ("c", 1, "e"): 4, ("g",): 5}
    assert document.lines == lines
    assert document.place(("c", 1, "e", "deeper")) == "job.yaml:4"


def test_what_stands_below_a_duplicate_key_is_no_duplicate_itself():
    with pytest.raises(ManifestError) as caught:
        read_yaml("a: {b: c}\na: {b: d}\n", "job.yaml")
    assert [one.place for one in caught.value.problems] == ["job.yaml:2"]


def test_every_refusal_is_told_at_once():
    with pytest.raises(ManifestError) as caught:
        read_yaml("a: !x b\na: &c d\ne: *c\n", "job.yaml")
    assert [one.place for one in caught.value.problems] == ["job.yaml:1", "job.yaml:2", "job.yaml:2", "job.yaml:3"]


def test_fifty_levels_are_read_and_one_more_is_not():
    read_yaml("a: " + "[" * 49 + "]" * 49, "job.yaml")
    with pytest.raises(ManifestError, match="more than 50 deep"):
        read_yaml("a: " + "[" * 50 + "]" * 50, "job.yaml")
