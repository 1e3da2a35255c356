"""What programs read: JSON alone on stdout, the fields of the document, money as whole micro-dollars."""

import json
import re

import pytest

from tests.documents import ROOT


def documented(command):
    """The fields in the first column of a command's table, and all names in the whole of it."""
    text = (ROOT / "docs/json.md").read_text(encoding="utf-8")
    (rows,) = re.findall(rf"^\| `{command} --json` \| \|\n\| --- \| --- \|\n((?:\|.*\n)+)", text, re.MULTILINE)
    firsts = [row.split("|")[1] for row in rows.splitlines()]
    return set(re.findall(r"`(\w+)`", " ".join(firsts))), set(re.findall(r"`([^`]+)`", rows))


def names_in(value):
    if isinstance(value, dict):
        yield from value
        for one in value.values():
            yield from names_in(one)
    elif isinstance(value, list):
        for one in value:
            yield from names_in(one)


def amounts(value):
    if isinstance(value, dict):
        yield from (one for name, one in value.items() if name.endswith("_microusd"))
        for one in value.values():
            yield from amounts(one)
    elif isinstance(value, list):
        for one in value:
            yield from amounts(one)


@pytest.fixture
def outputs(batchgen, job, bought):
    """The output of each command, as the list of its lines' objects."""
    bought(job)
    job.write_text(job.read_text("utf-8").replace("64x64", "128x128").replace("[ink, oil]", "[ink]"), encoding="utf-8")
    said = {
        "plan": batchgen("plan", "job.yaml", "--json", "--night-budget", "1"),
        "status": batchgen("status", "outputs/job", "--json"),
        "verify": batchgen("verify", "outputs/job", "--json"),
        "models": batchgen("models", "flux", "--provider", "simulator", "--json"),
    }
    return {name: [json.loads(line) for line in done.stdout.splitlines()] for name, done in said.items()}


@pytest.mark.parametrize("command", ["plan", "status", "verify", "models"])
def test_the_fields_are_those_of_the_document_and_amounts_are_whole_numbers(outputs, command):
    fields, _ = documented(command)
    assert outputs[command]
    for found in outputs[command]:
        assert set(found) == fields
        assert all(amount is None or type(amount) is int for amount in amounts(found))
        assert not any(name.endswith("_usd") and name.replace("_usd", "_microusd") not in found for name in found)


def test_what_is_inside_a_plan_s_lists_is_in_the_document_too(outputs):
    _, told = documented("plan")
    (plan,) = outputs["plan"]
    inside = {name for part in ("models", "budgets", "first", "orphans") for name in names_in(plan[part])}
    own = {"prompt", "size", "style"}  # of the manifest
    assert inside - own <= told


def test_a_plan_says_what_is_new_what_changed_and_what_budgets_allow(outputs):
    (plan,) = outputs["plan"]
    assert (plan["requests"], plan["new"], plan["reasons"]) == (2, 2, {"changed": 2})
    assert plan["orphans"] == {"count": 4, "kept": 4}
    assert plan["axes"] == {"style": {"ink": 2}}
    assert {"field": "size", "before": "64x64", "now": "128x128"} in plan["first"][0]["differences"]
    assert [left["cap_microusd"] for left in plan["budgets"]] == [1_000_000]


def test_with_reasons_each_request_has_a_line_before_the_plan_s(batchgen, job):
    lines = [json.loads(line) for line in batchgen("plan", job, "--json", "--reasons").stdout.splitlines()]
    assert [line["reason"] for line in lines[:-1]] == ["new"] * 4
    assert lines[-1]["requests"] == 4
    assert set(lines[0]) == {"row", "key", "model", "reason", "parameters", "axes", "differences"}


def test_a_plan_of_mistakes_leaves_stdout_empty(batchgen, job):
    job.write_text("prompt: a\nrepeat: 0\n", encoding="utf-8")
    done = batchgen("plan", job, "--json")
    assert (done.returncode, done.stdout) == (2, "")
