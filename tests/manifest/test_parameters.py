import pytest

from batchgen.manifest.parameters import Parameters
from batchgen.request import OPENAI_PARAMETERS, WireType

DECLARED = "provider: {kind: openai, parameters: {seed: integer, scale: number, raw: boolean, negative: text}}\n"
JOB = f"{DECLARED}prompt: a\ndefaults: {{model: m"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("seed: 4.5", "seed is declared as integer and must be a whole number such as 50, found '4.5'"),
        ("seed: '007'", "seed is declared as integer"),
        ("seed: many", "seed is declared as integer"),
        ("scale: '7,5'", "scale is declared as number and must be a number such as 7.5, found '7,5'"),
        ("scale: nan", "scale is declared as number"),
        ("scale: .5", "scale is declared as number"),
        ("raw: yes", "raw is declared as boolean and must be 'true' or 'false', found 'yes'"),
        ("negative: ' '", "negative is blank"),
        ("seed: [1, 2]", "seed takes one text, not a list"),
        ("output_compression: high", "output_compression is declared as integer"),
    ],
)
def test_a_value_of_another_type_than_declared_is_told(problems_of, setting, said):
    ((line, told),) = problems_of(f"{JOB}, {setting}}}\n")
    assert (line, said in told) == (3, True), told


@pytest.mark.parametrize(
    "setting",
    [
        *("seed: 0", "seed: -1", "seed: 18446744073709551615", "scale: 7", "scale: 7.50", "scale: 1e-3", "raw: true"),
        *("negative: blurry, text", "background: transparent", "moderation: low", "output_compression: 50"),
        *("input_fidelity: high", "quality: hd", "quality: standard"),
    ],
)
def test_a_value_of_the_declared_type_is_taken(load, setting):
    assert load(f"{JOB}, {setting}}}\n").parameters.names


@pytest.mark.parametrize("section", ["matrix: {seed: [1, x]}", "zip: [{seed: [1, x]}]", "rows: [{seed: 1}, {seed: x}]"])
def test_rows_and_axes_are_held_to_the_type_too(problems_of, section):
    ((_, told),) = problems_of(f"{JOB}}}\n{section}\n")
    assert "must be a whole number such as 50, found 'x'" in told


def test_a_flag_is_held_to_the_type_too(problems_of):
    from batchgen.manifest import Overrides

    ((_, told),) = problems_of(f"{JOB}}}\n", overrides=Overrides(parameters={"seed": ("x",)}))
    assert "must be a whole number" in told


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("n: integer", "n is refused: one request makes one picture (use 'repeat:' for more pictures)"),
        ("prompt: text", "prompt is known already"),
        ("image: text", "image is known already"),
        ("seed: float", "provider.parameters.seed must be 'text', 'integer', 'number' or 'boolean', found 'float'"),
        ("api_key: text", "is refused"),
        ("sha256: text", "is taken by the outputs' own field"),
    ],
)
def test_a_declaration_that_can_t_be_kept_is_told(problems_of, declared, said):
    told = problems_of(f"provider: {{kind: openai, parameters: {{{declared}}}}}\nprompt: a\ndefaults: {{model: m}}\n")
    assert [line for line, one in told if said in one] == [1], told


def test_a_declared_type_takes_the_place_of_our_own_rule(load):
    manifest = load(
        "provider: {kind: openai, parameters: {size: text, seconds: integer}}\n"
        "prompt: a\ndefaults: {model: m, size: 16:9, seconds: 90}\n"
    )
    assert manifest.defaults == {"model": "m", "size": "16:9", "seconds": "90"}


@pytest.mark.parametrize("kind", ["imagerouter", "simulator"])
def test_what_openai_documents_is_a_mistake_elsewhere(problems_of, kind):
    ((_, told),) = problems_of(f"provider: {kind}\nprompt: a\ndefaults: {{model: m, background: transparent}}\n")
    assert "'background' is no request parameter, and no template uses it" in told


@pytest.mark.parametrize("name", ["style", "user"])
def test_neither_style_nor_user_is_declared(problems_of, name):
    ((_, told),) = problems_of(f"provider: openai\nprompt: a\ndefaults: {{model: m, {name}: vivid}}\n")
    assert f"'{name}' is no request parameter" in told


def test_a_name_that_the_template_uses_is_a_variable():
    found = Parameters("openai", {"seed": WireType.INTEGER}, frozenset({"seed", "background", "size", "subject"}))
    assert found.types == {name: OPENAI_PARAMETERS[name] for name in OPENAI_PARAMETERS if name != "background"}
    assert found.unsent == ("background", "seed")
    assert "size" in found.names
    assert found.check("seed", "many") is None


def test_an_empty_cell_of_a_declared_parameter_takes_the_default(load, write):
    write("rows.csv", "prompt,seed\na,\nb,7\n")
    rows = load(f"{DECLARED}rows: rows.csv\ndefaults: {{model: m, seed: 1}}\n").rows
    assert [dict(row.values) for row in rows] == [{"prompt": "a"}, {"prompt": "b", "seed": "7"}]


def test_a_batch_line_may_hold_what_is_declared(load, write):
    write("rows.jsonl", '{"custom_id":"1","body":{"model":"m","prompt":"a","output_compression":50,"seed":4}}\n')
    (row,) = load(f"{DECLARED}rows: rows.jsonl\n").rows
    assert row.values == {"custom_id": "1", "model": "m", "prompt": "a", "output_compression": "50", "seed": "4"}


@pytest.mark.parametrize(
    "rest",
    [
        "defaults: {model: m, width: 512}",
        "defaults: {model: m}\nmatrix: {width: [512, 1024]}",
        "defaults: {model: m}\nrows: [{width: 512}]",
        "defaults: {model: m}\nrows: rows.csv",
    ],
)
def test_a_declared_parameter_may_be_named_as_what_the_outputs_measure(load, write, problems_of, rest):
    write("rows.csv", "subject,width\na,512\n")
    declared = "provider: {kind: openai, parameters: {width: integer}}"
    assert load(f"{declared}\nprompt: a\n{rest}\n").parameters.types["width"]
    told = problems_of(f"provider: openai\nprompt: a\n{rest}\n")
    assert any("'width' is taken by the outputs' own field" in one and "or give 'size'" in one for _, one in told), told


def test_a_default_may_stand_in_for_a_column_where_nobody_knows_those_of_the_rows(load, write):
    write("rows.jsonl", '{"prompt": "a", "mood": "calm"}\n{"prompt": "b"}\n')
    assert load("rows: rows.jsonl\ndefaults: {model: m, mood: bright}\n").rows.count() == 2


def test_a_default_that_is_listed_under_columns_is_kept_as_one(load):
    assert load("prompt: a\ndefaults: {model: m, series: spring}\ncolumns: [series]\n").notices == ()


def test_a_column_is_told_as_a_parameter_of_another_service_only_if_it_is_not_declared(load, write):
    write("rows.csv", "prompt,seed\na,1\n")
    assert load(f"{DECLARED}rows: rows.csv\ndefaults: {{model: m}}\n").notices == ()
    (told,) = load("rows: rows.csv\ndefaults: {model: m}\n").notices
    assert "'parameters: {seed: integer}'" in told.suggestion


def test_a_column_that_reads_like_a_declared_parameter_is_a_mistake(write, problems_of):
    write("rows.csv", "prompt,Seed\na,1\n")
    ((_, told),) = problems_of(f"{DECLARED}rows: rows.csv\ndefaults: {{model: m}}\n")
    assert "the column 'Seed' reads like the parameter 'seed'" in told
