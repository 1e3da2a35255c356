import json

import pytest

from batchgen.request import key_of, read_canonical

OPENAI = "provider: {kind: openai, parameters: {seed: integer, raw: boolean, scale: number}}\n"


def first(plan):
    return next(iter(plan))


def test_a_request_without_declared_parameters_keeps_its_key(plan):
    # As 0.1 made it: a folder bought with it goes on without buying anything again.
    request = first(plan("provider: openai\nprompt: a fox\ndefaults: {model: m, size: 1024x1024}\n"))
    assert request.canonical == (
        b'{"kind":"image","model":"m","parameters":{"prompt":"a fox","size":"1024x1024"},'
        b'"provider":"openai","repeat":1,"version":1}'
    )
    assert request.key == key_of(request.canonical)


@pytest.mark.parametrize("place", ["defaults", "rows", "matrix"])
def test_a_declared_parameter_is_sent_with_its_type_wherever_it_stands(plan, place):
    settings = {
        "defaults": "defaults: {model: m, seed: 4, raw: true, scale: 7.50}",
        "rows": "defaults: {model: m}\nrows: [{seed: 4, raw: true, scale: 7.50}]",
        "matrix": "defaults: {model: m}\nmatrix: {seed: [4], raw: [true], scale: [7.50]}",
    }[place]
    request = first(plan(f"{OPENAI}prompt: a\n{settings}\n"))
    assert request.parameters == {"prompt": "a", "seed": "4", "raw": "true", "scale": "7.50"}
    from msgspec.json import encode

    assert encode(request.json_parameters) == b'{"prompt":"a","seed":4,"raw":true,"scale":7.50}'
    assert not request.columns


def test_a_declared_parameter_and_its_type_are_part_of_the_key(plan):
    job = "provider: {{kind: openai, parameters: {{seed: {kind}}}}}\nprompt: a\ndefaults: {{model: m, seed: {seed}}}\n"
    keys = {first(plan(job.format(kind=kind, seed=seed))).key for kind in ("integer", "text") for seed in (1, 2)}
    assert len(keys) == 4
    found = read_canonical(first(plan(job.format(kind="integer", seed=1))).canonical)
    assert (found.parameters["seed"], found.types) == ("1", {"seed": "integer"})


def test_the_survey_and_the_requests_agree_on_keys_with_types(plan):
    made = plan(
        f"{OPENAI}prompt: '{{subject}}'\ndefaults: {{model: m, scale: 1}}\nmatrix: {{subject: [a, b], seed: [1, 2]}}\n"
    )
    assert [int(request.key[:16], 16) for request in made] == list(made.outline.numbers)
    assert len({request.key for request in made}) == 4


def test_a_name_in_the_prompt_s_template_is_never_sent_and_told_once(plan):
    made = plan(
        "provider: openai\nprompt: 'a fox on {background}'\ndefaults: {model: m}\nmatrix: {background: [red, blue]}\n"
    )
    assert [json.loads(request.canonical)["parameters"] for request in made] == [
        {"prompt": "a fox on red"},
        {"prompt": "a fox on blue"},
    ]
    assert [one.message for one in made.warnings] == [
        "'background' stands in the prompt's template, so it is a variable, and is not sent as a parameter"
    ]
    assert first(made).columns == {"background": "red"}


def test_a_name_in_the_path_is_sent_all_the_same(plan):
    request = first(plan(f"{OPENAI}prompt: a\ndefaults: {{model: m, seed: 3}}\noutput: {{path: 'x/{{seed}}'}}\n"))
    assert (request.path, request.parameters["seed"]) == ("images/x/3", "3")


def test_a_kept_survey_does_not_outlive_another_declaration(plan):
    job = "provider: {{kind: openai, parameters: {{seed: {kind}}}}}\nprompt: a\ndefaults: {{model: m, seed: 1}}\n"
    assert plan(job.format(kind="text")).fingerprint != plan(job.format(kind="integer")).fingerprint
