"""Text shown to people."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.wording import counted, named_blanks, printable, shown, visible


@pytest.mark.parametrize(
    ("count", "said"), [(0, "0 requests"), (1, "1 request"), (2, "2 requests"), (12_000, "12,000 requests")]
)
def test_a_noun_follows_its_number(count, said):
    assert counted(count, "request") == said


@pytest.mark.parametrize(("count", "said"), [(1, "1 retry"), (2, "2 retries")])
def test_a_noun_can_bring_its_own_plural(count, said):
    assert counted(count, "retry", "retries") == said


@given(st.text())
def test_what_is_printable_prints(text):
    assert printable(text).isprintable()
    assert printable(text) == text or not text.isprintable()


@given(st.text())
def test_a_shown_value_prints_in_its_quotes(text):
    assert shown(text).isprintable()
    assert shown(text)[0] == shown(text)[-1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a\tb\r\nc", "a b c"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("\udcff.png", "\\udcff.png"),
        ("👩\u200d🎨 a\xa0b", "👩\u200d🎨 a\xa0b"),
    ],
)
def test_prose_keeps_what_scripts_need_and_loses_what_moves_the_cursor(text, said):
    assert visible(text) == said


def test_characters_that_nobody_sees_are_named():
    assert named_blanks("a\u00a0fox\u200b in\nsnow\tand\r\x00") == (
        "a⟨no-break space⟩fox⟨zero width space⟩ in⟨line break⟩snow⟨tab⟩and⟨carriage return⟩\\x00"
    )
    assert named_blanks("cafe\u0301") == "cafe⟨combining acute accent⟩"


def test_what_everybody_sees_stays_as_it_is():
    assert named_blanks("a fox, é 🦊 赤い") == "a fox, é 🦊 赤い"
