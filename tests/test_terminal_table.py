"""Tables on a terminal: one style, names whole between their words, foreign text harmless."""

import io

import pytest
from rich.console import Console

from batchgen.terminal_table import NameCell, broken, table


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("black-forest-labs/FLUX-1-schnell", 40, ["black-forest-labs/FLUX-1-schnell"]),
        ("black-forest-labs/FLUX-1-schnell", 24, ["black-forest-labs/", "FLUX-1-schnell"]),
        ("black-forest-labs/FLUX-1-schnell", 18, ["black-forest-labs/", "FLUX-1-schnell"]),
        ("black-forest-labs/FLUX-1-schnell", 8, ["black-", "forest-", "labs/", "FLUX-1-", "schnell"]),
        ("a sea of clouds", 8, ["a sea of", "clouds"]),
        ("--/--", 3, ["--/", "--"]),
        ("", 5, [""]),
    ],
)
def test_a_name_is_broken_behind_its_marks_alone(text, width, lines):
    assert broken(text, width) == lines


def shown(made, width):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(made)
    return console.export_text()


def filled(*names):
    made = table(("model", "left"), ("requests", "right"), ("expected", "right"), ("price by", "left"))
    for name in names:
        made.add_row(NameCell(name), "1,000", "$12.3456", "catalogue")
    return made


@pytest.mark.parametrize("width", [80, 60, 48])
def test_no_word_of_a_name_is_broken_while_there_is_room_for_each(width):
    said = shown(filled("black-forest-labs/FLUX-1-schnell", "openai/gpt-image-1-mini"), width)
    for word in ("black-", "forest-", "labs/", "FLUX-", "schnell", "openai/", "gpt-", "image-", "mini", "$12.3456"):
        assert word in said
    assert max(map(len, said.splitlines())) <= width


def test_a_word_wider_than_the_terminal_is_shown_whole_in_pieces():
    said = shown(filled("w" * 90), 60)
    assert said.count("w") == 90


def test_foreign_text_moves_no_cursor_and_colours_nothing():
    said = shown(filled("evil\x1b[31m[red]\u202e/model"), 80)
    assert "\x1b" not in said
    assert "\u202e" not in said
    assert "[red]" in said
