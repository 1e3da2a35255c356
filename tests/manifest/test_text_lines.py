"""The lines of a text: comments, and what is probably not meant."""

import pytest

from batchgen.manifest import Overrides


@pytest.fixture
def read(load):
    def read(text):
        manifest = load(text, file="p.txt", overrides=Overrides(parameters={"model": ("m",)}))
        told = [f"{one.place.rpartition(':')[2]}: {one.message}" for one in manifest.notices]
        assert manifest.rows.count() == len(list(manifest.rows))
        return [row.values["prompt"] for row in manifest.rows], told

    return read


def test_comments_are_left_out_and_told_once(read):
    prompts, told = read("# my prompts\na fox\n  // not now\n#a hat\n#ff0000\na mug #1\n")
    assert prompts == ["a fox", "#ff0000", "a mug #1"]
    assert told == ["1: 3 lines begin with # or //, left out as comments: '# my prompts'"]


def test_a_text_of_comments_alone_says_so(problems_of):
    told = problems_of("# a fox\n// a mug\n", file="p.txt")
    rows = "the file has no rows: nothing to generate (every line begins with # or //, which makes it a comment)"
    assert told[0] == (0, rows)


GOES_ON = "reads as if it went on from the line before; each line is a prompt of its own"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a fox\nin the snow,\nat dusk\n\na mug\non a table\n", 2),
        ("a fox,\nred and shy\n", 2),
        ("a mug\n\nA fox that runs\nquickly home\n", 4),
        ("ein Fuchs im hohen-\nTurm\n", 2),
    ],
)
def test_a_prompt_that_was_wrapped_is_told(read, text, line):
    assert read(text)[1] == [f"{line}: {GOES_ON}"]


@pytest.mark.parametrize(
    "text",
    [
        "a fox\na mug\n\na hat\n",
        "a fox, ink\na mug, oil\n",
        "in the snow\non a beach\nat night\n",
        "A fox\nA mug\n",
        "🦊\n☕\n狐\n",
        "Indian elephant\nOnion soup\n",
    ],
)
def test_prompts_that_are_whole_are_not_told(read, text):
    assert read(text)[1] == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a fox\n---\na mug\n", "2: '---' alone is a prompt here; each line is one"),
        ('"a fox"\n"a mug",\n"a hat"\n', "1: every line stands in quotes, which are sent with it"),
        ("1. a fox\n2. a mug\n3. a hat\n", "1: every line begins as an item of a list, and is sent so"),
        ("- a fox\n- a mug\n- a hat\n", "1: every line begins as an item of a list, and is sent so"),
    ],
)
def test_what_would_be_sent_with_the_prompts_is_told(read, text, said):
    assert read(text)[1] == [said]


def test_comments_among_the_values_of_an_axis_are_told(load, write):
    write("x.txt", "# inks\nwet\ndry\n")
    manifest = load("defaults: {model: m}\nprompt: '{x}'\nmatrix: {x: {file: x.txt}}\n")
    assert [value.title for value in manifest.axes[0].values] == ["wet", "dry"]
    (told,) = manifest.notices
    assert told.message.endswith("x.txt:1: 1 line begins with # or //, left out as comments: '# inks'")
