"""Entries of include and exclude: globs, new values, and members of a zip."""

import pytest

SOUND = """\
defaults: {model: base/m}
prompt: "{subject} {style}"
matrix: {model: [a/1, a/2, b/1], style: {ink: loose ink, photo: {style: 35mm, size: 2x2}}}
zip: [{subject: [mug, pot], image: [mug.png, pot.png]}]
"""
MUG, POT = "mug+mug.png", "pot+pot.png"


@pytest.fixture
def included(load):
    def included(entry):
        return [dict(one.choice) for one in load(f"{SOUND}include: [{entry}]\n").include]

    return included


def test_a_glob_adds_one_combination_for_every_title_it_matches(included):
    assert included("{model: 'a/*', style: ink}") == [
        {"model": "a/1", "style": "ink"},
        {"model": "a/2", "style": "ink"},
    ]
    assert len(included("{model: '*', style: '*'}")) == 6


def test_a_plain_axis_takes_a_new_value(included):
    assert included("{model: c/9, style: photo}") == [{"model": "c/9", "style": "photo"}]


def test_a_member_of_a_zip_brings_those_that_move_with_it(included):
    assert included("{subject: pot, style: ink}") == [{"style": "ink", "subject+image": POT}]
    assert included("{image: 'm*', style: ink}") == [{"style": "ink", "subject+image": MUG}]
    assert included("{subject: 'p*', image: 'p*', model: 'a/*'}") == [
        {"model": "a/1", "subject+image": POT},
        {"model": "a/2", "subject+image": POT},
    ]


def test_a_new_value_of_a_member_stands_for_itself(included):
    assert included("{subject: cup, style: ink}") == [{"style": "ink", "subject": "cup"}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("include: [{model: 'c/*'}]", "include: no value of the axis 'model' matches 'c/*'"),
        ("include: [{style: inc}]", "no value of the axis 'style' matches 'inc' (did you mean 'ink'?)"),
        (
            "include: [{stlye: ink}]",
            "include names 'stlye', which is neither an axis nor a variable (did you mean 'style'?)",
        ),
        ("include: [{model: '  '}]", "model is blank"),
        ("exclude: [{subject: mugg}]", "exclude: no value of the axis 'subject' matches 'mugg' (did you mean 'mug'?)"),
        ("exclude: [{modle: 'a/*'}]", "did you mean 'model'?"),
    ],
)
def test_a_choice_that_chooses_nothing_is_told(problems_of, text, said):
    told = problems_of(f"{SOUND}{text}\n")
    assert any(line == 5 and said in one for line, one in told), told


# What looks like a parameter and is none, would silently be a column.
@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (
            "defaults: {model: m, qualty: low}\nprompt: a",
            1,
            "'qualty' is no request parameter, and no template uses it (did you mean 'quality'?)",
        ),
        ("defaults: {model: m, output-format: png}\nprompt: a", 1, "did you mean 'output_format'?"),
        ("defaults: {model: m}\nprompt: a\nmatrix: {seed: ['1', '2']}", 3, "the service takes no seed; use 'repeat:'"),
        (
            "defaults: {model: m, mood: calm}\nprompt: a",
            1,
            "or, if the service takes it, declare it under 'provider:' as 'parameters: {mood: text}'",
        ),
        ("defaults: {model: m}\nprompt: a\nmatrix: {look: {small: {steps: '4'}}}", 3, "'parameters: {steps: integer}'"),
        ("defaults: {model: m, n: 4}\nprompt: a", 1, "use 'repeat:' for more pictures"),
        (
            "defaults: {model: m}\nprompt: a\nmatrix: {style: [ink, oil]}",
            3,
            "the axis 'style' changes nothing: its 2 values make equal requests",
        ),
    ],
)
def test_a_setting_without_effect_is_told(problems_of, text, line, said):
    (told,) = problems_of(f"{text}\n")
    assert told[0] == line
    assert said in told[1]


@pytest.mark.parametrize(
    "text",
    [
        "defaults: {model: m, seed: '4'}\nprompt: 'number {seed}'",
        "defaults: {model: m, mood: calm}\nprompt: a\nrows: [{mood: wild}, {}]",
        "defaults: {model: m, mood: calm}\nprompt: a\noutput: {path: '{mood}/{key}'}",
        "defaults: {model: m}\nprompt: a\nmatrix: {look: {small: {size: 1x1}, large: {size: 2x2}}}",
        "defaults: {model: m}\nprompt: a\nmatrix: {label: [one]}",
    ],
)
def test_a_variable_of_one_s_own_is_no_mistake(load, text):
    assert load(f"{text}\n").repeat == 1
