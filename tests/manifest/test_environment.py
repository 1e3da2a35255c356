"""Variables of the environment: read in two places, and refused in all others."""

import pytest

from batchgen.manifest import load_manifest

SOUND = "defaults: {model: m}\nprompt: a\n"


@pytest.fixture
def environment(monkeypatch):
    for name, value in {"HOST": "http://127.0.0.1:9", "PLACE": "/data", "HF_TOKEN": "sk-canary", "EMPTY": ""}.items():
        monkeypatch.setenv(name, value)


def test_the_address_of_a_service_and_the_output_folder_may_differ_between_machines(environment, load):
    text = "provider: {kind: openai, base_url: '${HOST}/v1'}\noutput: {folder: '${PLACE}/mugs'}\n"
    manifest = load(SOUND + text)
    assert manifest.provider.base_url == "http://127.0.0.1:9/v1"
    assert manifest.output.folder == "/data/mugs"


def test_a_dollar_sign_in_a_template_or_a_row_is_one(load, write):
    manifest = load("defaults: {model: m}\nprompt: 'for ${price}'\nrows: [{price: '5', note: '${HOST}'}]\n")
    assert manifest.prompt.render({"price": "5"}) == "for $5"
    assert next(iter(manifest.rows)).values["note"] == "${HOST}"
    assert load_manifest(write("a.csv", "prompt,model\n${HOST},m\n")).rows.count() == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "matrix: {style: ['${HOST}']}",
            "matrix.style.0 holds '${HOST}', and variables of the environment are not read",
        ),
        (
            "defaults: {model: m}\nname: a-${HOST}",
            "they are in provider.base_url, output.folder and output.pictures only",
        ),
        ("output: {folder: '${NOPE}'}", "output.folder uses '${NOPE}', which is not set in the environment"),
        ("output: {folder: '${EMPTY}/x'}", "output.folder uses '${EMPTY}', which is not set in the environment"),
        ("output: {folder: '${HF_TOKEN}'}", "a key is never part of an address or a name"),
        ("provider: {kind: openai, base_url: 'http://a.example/${MY_API_KEY}'}", "a key is never part of an address"),
        ("output: {folder: '${PLACE'}", "has a '${' that is never closed"),
        ("output: {folder: '${PLACE:-x}'}", "'${PLACE:-x}', which is no variable's name (write ${NAME})"),
        ("provider: {kind: openai, base_url: '${PLACE}'}", "must be a URL such as"),
        ("prompt: '{HOST}'", "duplicate"),
    ],
)
def test_a_variable_in_the_wrong_place_or_without_a_value_is_told(environment, problems_of, text, said):
    told = problems_of(f"{SOUND}{text}\n" if "defaults" not in text else f"prompt: a\n{text}\n")
    assert any(line == 3 and said in one for line, one in told), told
    assert "sk-canary" not in str(told)


def test_a_prompt_never_sees_the_environment(environment, problems_of):
    assert (
        "prompt uses '{HF_TOKEN}', which nothing sets"
        in problems_of("defaults: {model: m}\nprompt: '${HF_TOKEN}'\n")[0][1]
    )
