"""What is typed on the command line stands above everything that it names, given once or twice."""

import pytest

from batchgen.manifest import Overrides, load_manifest
from batchgen.planning.plan import make_plan


@pytest.fixture
def asked(tmp_path):
    """Return the field of every request that a manifest makes under these flags."""

    def asked(content, field, *, file="job.csv", **flags):
        path = tmp_path / file
        path.write_text(content, encoding="utf-8")
        plan = make_plan(load_manifest(path, overrides=Overrides(provider="simulator", **flags)))
        return [one.model if field == "model" else one.parameters.get(field) for one in plan]

    return asked


CHEAP = {"model": ("test/test",), "size": ("512x512",)}
DEAR = "prompt,model,size\na fox,openai/gpt-image-1,1536x1024\na mug,,\n"


def test_a_cheap_trial_does_not_buy_the_dear_model_of_the_column(asked):
    assert asked(DEAR, "model", parameters=CHEAP) == ["test/test", "test/test"]
    assert asked(DEAR, "size", parameters=CHEAP) == ["512x512", "512x512"]


def test_a_flag_given_twice_replaces_the_column_too(asked):
    assert asked(DEAR, "model", parameters={"model": ("a/a", "b/b")}) == ["a/a", "b/b"] * 2


def test_repeat_of_the_command_line_stands_above_a_column(asked):
    assert len(asked("prompt,model,repeat\na fox,m,4\na mug,m,\n", "model", repeat="2")) == 4


def test_a_variable_of_the_command_line_stands_above_a_column(asked):
    content = "subject,model,style\nfox,m,ink\n"
    parameters = {"style": ("oil",)}
    assert asked(content, "prompt", prompt="{subject}, {style}", parameters=parameters) == ["fox, oil"]


SWEEP = """\
prompt: "a mug, {look}"
defaults: {model: m}
matrix:
  model: [openai/gpt-image-1, google/gemini-2.5-flash]
  look:
    ink: {look: loose ink}
    photo: {look: 35mm photograph, size: 1536x1024}
include: [{model: midjourney/midjourney, look: photo}]
"""


def test_a_flag_stands_above_what_a_titled_value_sets(asked):
    assert set(asked(SWEEP, "size", file="job.yaml", parameters={"size": ("64x64",)})) == {"64x64"}
    assert set(asked(SWEEP, "size", file="job.yaml", parameters={"size": ("64x64", "32x32")})) == {"64x64", "32x32"}


def test_one_model_asks_it_for_the_included_combinations_too(asked):
    assert asked(SWEEP, "model", file="job.yaml", parameters={"model": ("test/test",)}) == ["test/test"] * 3


def test_several_models_ask_no_other_one(asked):
    models = asked(SWEEP, "model", file="job.yaml", parameters={"model": ("a/a", "midjourney/midjourney")})
    assert sorted(models) == ["a/a", "a/a", *["midjourney/midjourney"] * 3]


def test_included_combinations_alone_are_no_reason_to_buy_what_no_flag_names(asked):
    assert asked(SWEEP, "model", file="job.yaml", parameters={"model": ("a/a", "b/b")}) == ["a/a", "a/a", "b/b", "b/b"]
