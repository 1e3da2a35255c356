"""What the text of a cell gives away about the program that wrote it."""

import pytest

from batchgen.manifest.cell_texts import (
    braces_in,
    is_quoted_after_blank,
    is_swallowing,
    lost_letter,
    missing_value,
    undone_encoding,
)

ERRORS = [
    *("#NAME?", "#REF!", "#N/A", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!", "#SPILL!", "#ERROR!", "#BEZUG!", "#NV"),
    *("#¿NOMBRE?", "#¡REF!", "Err:502", "#####", "nan", "NaN", "None", "null", "NULL", "N/A", "<NA>", "undefined"),
    *("[object Object]", "Loading...", "=A2", "=CONCAT(A1, B1)", " nan "),
]


@pytest.mark.parametrize("text", ERRORS)
def test_the_word_of_a_program_for_a_missing_value_is_none(text):
    assert missing_value(text) == repr(text)


@pytest.mark.parametrize("text", ["", " ", "\t\n", "\u00a0"])
def test_blanks_are_an_empty_value(text):
    assert missing_value(text) == "empty"


@pytest.mark.parametrize(
    "text", ["a fox", "#1 dad", "#ff0000", "nana", "none of them", "= a fox", "ink", "0", "-", "no", "#sunset"]
)
def test_words_of_a_prompt_are_no_missing_value(text):
    assert missing_value(text) is None


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("café at night", "café at night"),
        ("“a fox”", "“a fox”"),
        ("赤い猫", "赤い猫"),
        ("кот в снегу", "кот в снегу"),
        ("🦊 in snow", "🦊 in snow"),
    ],
)
def test_utf8_read_in_another_encoding_is_known_with_what_was_meant(text, meant):
    read = text.encode().decode("cp1252", "ignore")
    assert undone_encoding(read) in {meant, ""}
    assert undone_encoding(text) is None


@pytest.mark.parametrize("text", ["Größe", "»Spaß«", "« été »", "“café…”", "10 °C", "£5", "Ägypten – Größe", "naïve"])
def test_text_of_many_languages_is_no_broken_one(text):
    assert undone_encoding(text) is None


def test_a_lost_letter_is_found_at_its_place():
    assert lost_letter("caf\ufffd") == 4
    assert lost_letter("café") == 0


def test_names_in_braces_are_found_without_their_blanks():
    assert list(braces_in("a {subject} in {{ style }}, {} {")) == ["subject", "style"]


def test_quotes_behind_a_blank_are_no_quotes_of_the_table():
    assert is_quoted_after_blank(' "ink"')
    assert not is_quoted_after_blank('"ink"')
    assert not is_quoted_after_blank(" ink")
    assert not is_quoted_after_blank(' a "quoted" word')


def test_a_cell_that_swallowed_rows_is_told_from_one_with_lines():
    assert is_swallowing("a fox,1,ink\na mug,2,oil\na cup", ",", 3)
    assert is_swallowing("a fox;1\na mug", ";", 2)
    assert not is_swallowing("a fox,\nin deep snow, at dusk", ",", 2)
    assert not is_swallowing("a fox\nin deep snow", ",", 3)
    assert not is_swallowing("a fox,1\na mug,2", ",", 1)
