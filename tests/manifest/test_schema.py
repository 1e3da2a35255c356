"""The JSON Schema: what editors say of a manifest is what the program says."""

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from batchgen.manifest import json_schema

JOBS = sorted(Path(__file__).parents[2].joinpath("jobs").glob("*.yaml"))


@pytest.fixture(scope="module")
def validator():
    jsonschema.Draft202012Validator.check_schema(json_schema())
    return jsonschema.Draft202012Validator(json_schema())


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stem)
def test_every_starter_is_valid(validator, job):
    assert not list(validator.iter_errors(yaml.safe_load(job.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    "text",
    [
        "extends: base.yaml",
        "provider: simulator",
        "provider: {kind: openai, base_url: 'https://a.example/v1', api_key_env: A_KEY}",
        "provider: {kind: openai, base_url: '${HOST}/v1'}",
        "matrix: {x: {from: 1, to: 5}, y: {from: '0.5', to: 2, step: 0.5}}",
        "matrix: {x: {file: a.txt}, y: {file: a.csv, column: y, title: name}, image: {files: in/*.png}}",
        "matrix: {look: {a: one, b: {size: 1x1, image: [a.png, b.png]}, c: }}",
        "zip: [{a: [x, 1, true], b: {from: 1, to: 3}, image: {files: in/*}}]",
        "exclude: [{a: 'x*'}]\ninclude: [{a: x, seconds: 5}]",
        "rows: [{a: x, b: 1, c: , image: [a.png]}]",
        "limits: {concurrency: 4, rate: 5/s, budget_usd: 0.5, lanes: {'a/*': {rate: 50/day}}}",
        "limits: {night_budget_usd: 5, deadline: '05:30', max_failures: 20}",
        "limits: {deadline: 1h30m, max_failures: 5%}",
        "retry: {attempts: 3, deadline: 90s, max_wait: 1h, on_doubt: hold, risk_usd: 1}",
        "prices: {m: 0.04}",
    ],
)
def test_what_the_program_takes_is_valid(validator, text):
    assert not list(validator.iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize(
    "text",
    [
        "promt: x",
        "size: 1x1",
        "prompt: [a]",
        "rows: 5",
        "extends: [a.yaml]",
        "provider: {base_url: 'https://a.example'}",
        "provider: {kind: openai, key: x}",
        "matrix: [a]",
        "matrix: {quality: low}",
        "matrix: {x: {from: 1, to: 5, step: 0}}",
        "matrix: {x: {from: 1, to: 5, stp: 1}}",
        "matrix: {x: {from: one, to: 5}}",
        "matrix: {x: {from: 1}}",
        "matrix: {x: {file: a.csv, colum: y}}",
        "matrix: {x: {files: [a]}}",
        "zip: {a: [b]}",
        "zip: [{a: b}]",
        "exclude: {a: b}",
        "include: [a]",
        "repeat: 0",
        "repeat: many",
        "limits: {concurrency: 0}",
        "limits: {concurrency: true}",
        "limits: {rate: fast}",
        "limits: {budget_usd: -1}",
        "limits: {budget_usd: $5}",
        "limits: {lanes: {a: {conc: 4}}}",
        "limits: {deadline: soon}",
        "limits: {max_failures: many}",
        "limits: {max_failures: 0}",
        "limits: {night_budget_usd: lots}",
        "limits: 5",
        "retry: {deadline: 660}",
        "retry: {deadline: soon}",
        "retry: {attempts: 0}",
        "retry: {on_doubt: maybe}",
        "prices: {m: free}",
        "output: {dir: x}",
        "kind: film",
        "reuse: outputs/a",
        "defaults: {size: 16x}",
        "defaults: {quality: ultra}",
        "defaults: {output_format: gif}",
        "defaults: {response_format: b64}",
        "matrix: {quality: [ultra]}",
        "matrix: {size: [1024]}",
        "matrix: {x: []}",
        "rows: []",
        "rows: [{quality: ultra}]",
    ],
)
def test_what_the_schema_can_know_to_be_wrong_it_refuses(validator, text):
    assert list(validator.iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stem)
def test_an_editor_s_validator_takes_the_starters_as_they_are(tmp_path, job):
    schema = tmp_path / "schema.json"
    schema.write_text(json.dumps(json_schema()), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "check_jsonschema", "--schemafile", schema, job],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def keys(schema, place=""):
    """Every key that the schema names, with its own schema: at the top, in definitions, in each alternative."""
    if isinstance(schema, list):
        for number, one in enumerate(schema):
            yield from keys(one, f"{place}[{number}]")
    if isinstance(schema, dict):
        for name, one in schema.get("properties", {}).items():
            yield f"{place}/{name}", one
        for name, one in schema.items():
            # A default is a value, whatever the names in it are.
            if name != "default":
                yield from keys(one, f"{place}/{name}")


def test_every_key_says_what_it_is_for_wherever_it_may_stand():
    found = dict(keys(json_schema()))
    assert len(found) > 80
    assert not [place for place, one in found.items() if not one.get("description", "").strip()]


@pytest.mark.parametrize("job", JOBS, ids=lambda job: job.stem)
def test_each_starter_names_the_schema_that_lies_beside_it_and_is_the_printed_one(job):
    first = job.read_text(encoding="utf-8").splitlines()[0]
    schema = job.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.name == "manifest.schema.json"
    assert json.loads(schema.read_text(encoding="utf-8")) == json_schema()
