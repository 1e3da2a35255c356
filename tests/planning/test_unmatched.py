import pytest

from batchgen.provider.interface import Catalogue, Model

MODELS = (Model("maker/one", "image", None, aliases=("maker/uno",)), Model("maker/two", "image", None))
ALIASED = Catalogue({model.id: model for model in MODELS})
SWEEP = """\
prompt: "{subject}, {style}"
rows: [{subject: mug, kind: food}, {subject: teapot, kind: toy}]
matrix: {model: [maker/one, maker/two], style: {ink: {style: loose, size: 64x64}, oil: thick}}
"""


def warnings(plan, text):
    return [str(one).rpartition("job.yaml")[2] for one in plan(f"{SWEEP}{text}\n", catalogue=ALIASED).warnings]


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "limits: {lanes: {maker/tow: {rate: 1/s}}}",
            ":4: limits.lanes: 'maker/tow' matches no model of this plan (did you mean 'maker/two'?)",
        ),
        (
            "limits: {lanes: {'openai/*': {rate: 1/s}}}",
            ":4: limits.lanes: 'openai/*' matches no model of this plan (it asks for maker/one, maker/two)",
        ),
        (
            "limits: {lanes: {maker/uno: {rate: 1/s}}}",
            ":4: limits.lanes: 'maker/uno' matches no model of this plan (the catalogue calls it 'maker/one')",
        ),
        ("prices: {Maker/Two: 1}", ":4: prices: 'Maker/Two' matches no model of this plan (did you mean 'maker/two'?)"),
        ("exclude: [{style: oil, size: 64x64}]", ":4: exclude: {style: oil, size: 64x64} matches no combination"),
        ("exclude: [{kind: fod}]", ":4: exclude: {kind: fod} matches no row (did you mean 'food'?)"),
        ("exclude: [{kind: food}, {kind: 'z*', style: oil}]", ":4: exclude: {kind: z*, style: oil} matches no row"),
    ],
)
def test_what_the_plan_never_meets_is_told_with_what_was_probably_meant(plan, text, warning):
    assert warnings(plan, text) == [warning]


@pytest.mark.parametrize(
    "text",
    [
        "limits: {lanes: {'maker/*': {rate: 1/s}, maker/two: {concurrency: 1}, '*e': {concurrency: 1}}}",
        "prices: {maker/uno: 1, maker/two: 1}",
        "exclude: [{style: oil, model: '*two'}, {kind: 'f*', style: ink}, {kind: food}]",
    ],
)
def test_what_the_plan_meets_is_no_word_worth(plan, text):
    assert not warnings(plan, text)


def test_a_base_may_say_more_than_a_job_on_top_of_it_needs(plan, tmp_path):
    lanes = "limits: {lanes: {'*:free': {rate: 50/day}, maker/tow: {rate: 1/s}}}\nprices: {other/brush: 1}\n"
    (tmp_path / "base.yaml").write_text(lanes)
    (found,) = plan(f"extends: base.yaml\n{SWEEP}", catalogue=ALIASED).warnings
    assert str(found).endswith(
        "base.yaml:1: limits.lanes: 'maker/tow' matches no model of this plan (did you mean 'maker/two'?)"
    )
