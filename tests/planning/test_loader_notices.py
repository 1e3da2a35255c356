"""What loaders of the dataset would mistake is told before anything is bought, once, and stops nothing."""

import pytest

from batchgen import load_manifest, plan

JOB = "provider: simulator\nprompt: a\ndefaults: {model: test/test}\n"


@pytest.fixture
def told(tmp_path):
    def told(more):
        path = tmp_path / "job.yaml"
        path.write_text(JOB + more, encoding="utf-8")
        return [problem.message for problem in plan(load_manifest(path)).warnings]

    return told


@pytest.mark.parametrize("path", ["{x}", "v1.0/{x}", "{x}.png", "{x}-{model}"])
def test_names_with_no_dot_but_the_last_are_fine(told, path):
    assert told(f'rows: [{{x: "1.5"}}]\noutput: {{path: "{path}"}}\n') == []


@pytest.mark.parametrize("path", ["{x}.v2", "a.{x}", "{x}.{model}.png"])
def test_a_template_with_a_dot_of_its_own_is_told(told, path):
    (message,) = told(f'rows: [{{x: "1"}}]\noutput: {{path: "{path}"}}\n')
    assert message.startswith("output.path has a dot in its names: readers of WebDataset")


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("rows: [{Style: a, style: b}, {Style: c, style: d}]", "'Style' and 'style'"),
        ("rows: [{style: a}, {STYLE: b}]", "'STYLE' and 'style'"),
        ("rows: [{Row: a}]", "'row' and 'Row'"),
        ("rows: [{Look: a}]\nprompt: 'a {look}'\nmatrix: {look: [a, b]}", "'look' and 'Look'"),
    ],
)
def test_columns_that_differ_by_case_alone_are_told(told, rows, named):
    rows = rows.replace("prompt: 'a {look}'\n", "")
    more = rows if "matrix" not in rows else rows.replace("matrix: {look: [a, b]}", "matrix: {look: {x: {look: a}}}")
    (message,) = [one for one in told(f"{more}\n") if "by case alone" in one]
    assert f"the columns {named} differ by case alone" in message


def test_columns_that_differ_by_more_are_fine(told):
    assert told("rows: [{style: a, styles: b}]\n") == []
