"""The counts of a plan by multiplication are those that come out when every request is made."""

import json
from collections import Counter

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from batchgen.errors import ManifestError
from batchgen.manifest import Overrides, load_manifest
from batchgen.planning import plan as plan_module
from batchgen.planning.forecast import forecast, forecast_of_counts
from batchgen.planning.plan import Plan, make_plan
from batchgen.planning.prices import PriceBook
from batchgen.planning.product import count_requests
from batchgen.provider.interface import Catalogue, Model, Price
from batchgen.request import like

CATALOGUE = Catalogue(
    {
        "a/1": Model("a/1", "image", Price(10, 20, 40, "catalogue"), aliases=("one",)),
        "a/2": Model("a/2", "image", None),
    },
    binding=False,
)
MODELS = st.sampled_from(["a/1", "a/2", "b/1", "one"])
SIZES = st.sampled_from(["64x64", "512x512", "auto"])
LOOKS = st.sampled_from(["ink", "oil", "35mm"])
VALUES = {"model": MODELS, "size": SIZES, "look": LOOKS}
GLOBS = {
    "model": st.sampled_from(["a/*", "a/1", "*", "nothing"]),
    "size": st.sampled_from(["64x64", "*x*", "auto"]),
    "look": st.sampled_from(["ink", "o*", "photo", "?"]),
    "subject": st.sampled_from(["mug", "m*", "pot"]),
}


@st.composite
def jobs(draw):
    """A job with axes of several kinds, which may set what others set, and rules about all of it."""
    matrix = {}
    for name in draw(st.lists(st.sampled_from(sorted(VALUES)), unique=True)):
        values = VALUES[name]
        if name == "look" and draw(st.booleans()):
            titled = st.fixed_dictionaries({"look": LOOKS}, optional={"size": SIZES, "model": MODELS})
            matrix[name] = draw(st.dictionaries(st.sampled_from(["photo", "flat", "ink"]), titled, min_size=1))
        else:
            matrix[name] = draw(st.lists(values, min_size=1, max_size=3, unique=True))
    columns = st.fixed_dictionaries(
        {"subject": st.sampled_from(["mug", "pot"])},
        optional={"model": MODELS, "size": SIZES, "repeat": st.sampled_from(["1", "3"])},
    )
    rule = st.sampled_from(sorted({*matrix, "subject"}))
    rules = st.lists(rule, min_size=1, max_size=2, unique=True).flatmap(
        lambda names: st.fixed_dictionaries({name: GLOBS[name] for name in names})
    )
    include = st.lists(st.fixed_dictionaries({name: VALUES[name] for name in matrix}), max_size=2)
    return {
        "provider": "simulator",
        "prompt": "{subject} {look}",
        "rows": draw(st.lists(columns, min_size=1, max_size=3)),
        "defaults": {"model": draw(MODELS), "look": "plain"},
        "matrix": matrix,
        "exclude": draw(st.lists(rules, max_size=3)),
        "include": draw(include) if matrix else [],
        "repeat": draw(st.integers(1, 3)),
    }


FLAGS = st.builds(
    Overrides,
    parameters=st.fixed_dictionaries({}, optional={"model": st.tuples(MODELS), "size": st.tuples(SIZES)}),
    repeat=st.sampled_from([None, 2]),
)


@given(job=jobs(), flags=FLAGS)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
def test_multiplying_gives_what_counting_gives(tmp_path, job, flags):
    path = tmp_path / "job.yaml"
    path.write_text(json.dumps(job), encoding="utf-8")
    try:
        plan = Plan(load_manifest(path, overrides=flags), CATALOGUE)
    except ManifestError:
        assume(False)
    requests = list(plan)
    by_axis = {}
    for request in requests:
        for axis, title in request.axes.items():
            by_axis.setdefault(axis, Counter())[title] += 1
    counts = count_requests(plan.manifest, plan._combinations, plan._catalogue_check.resolved)
    assert counts.requests == len(requests)
    assert counts.by_price == Counter((one.model, like(one.parameters)) for one in requests)
    assert {axis: titles for axis, titles in counts.by_axis.items() if titles} == by_axis


@pytest.fixture
def large(monkeypatch):
    """Take any plan with axes for one that is too large to be read."""
    monkeypatch.setattr(plan_module, "_QUICKLY_READ", {True: 0, False: 0})
    monkeypatch.setattr(plan_module, "_OF_EACH_ROW", 1)


SWEEP = """\
prompt: "{subject}, {style} {n}"
rows: [{subject: mug}, {subject: teapot}]
matrix: {model: [a/1, a/2], style: [ink, oil], n: {from: 1, to: 9}}
exclude: [{style: oil, n: "3"}]
"""


@pytest.mark.usefixtures("large")
def test_a_forecast_of_counts_says_what_a_forecast_of_requests_says(load):
    manifest, prices = load(SWEEP), PriceBook({}, CATALOGUE)
    counted = make_plan(manifest, CATALOGUE, count_only=True)
    told, whole = forecast_of_counts(counted.counts, prices), forecast(make_plan(manifest, CATALOGUE), prices)
    assert (told.requests, told.new, told.by_axis) == (whole.requests, whole.new, whole.by_axis)
    assert told.by_model == whole.by_model


@pytest.mark.usefixtures("large")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SWEEP + "output: {path: '{subject}/{style}-{n}'}\n", "is used by two different requests"),
        (SWEEP + "output: {path: '{subject}-{model}-{n}'}\n", "is used by two different requests"),
        (SWEEP.replace("{subject: teapot}", "{subject: teapot, size: big}"), "size must be"),
        (SWEEP.replace("[ink, oil]", f"[oil, {'o' * 20_000}]"), "characters"),
        (SWEEP.replace('[{style: oil, n: "3"}]', '[{style: "*"}]'), "every combination is excluded"),
    ],
)
def test_a_counted_plan_has_the_mistakes_of_its_values(load, text, said):
    with pytest.raises(ManifestError, match=said):
        make_plan(load(text), CATALOGUE, count_only=True)


def test_a_million_combinations_are_counted_without_making_one(load):
    manifest = load(
        "prompt: '{a} {b}'\ndefaults: {model: m}\nexclude: [{a: '1*', b: '7'}]\ninclude: [{a: x, b: y}]\n"
        "matrix: {a: {from: 1, to: 1000}, b: {from: 1, to: 1000}}\n"
    )
    plan = make_plan(manifest, count_only=True)
    assert plan.count_by_model() == {"m": 1_000_000 - 112 + 1}
    assert "_surveyed" not in vars(plan)
    assert plan._combinations.kept is False


def test_who_watches_hears_how_far_a_plan_was_read(load):
    manifest = load("prompt: '{a} {b}'\ndefaults: {model: m}\nmatrix: {a: {from: 1, to: 70}, b: {from: 1, to: 70}}\n")
    heard = []
    make_plan(manifest, watch=heard.append)
    assert heard == [1000, 2000, 3000, 4000]


def test_who_watches_hears_of_rows_too(load, tmp_path):
    (tmp_path / "p.csv").write_text("p\n" + "".join(f"fox {number}\n" for number in range(12_000)), encoding="utf-8")
    heard = []
    make_plan(
        load("prompt: '{p}'\ndefaults: {model: m}\nmatrix: {size: [1x1, 2x2]}\nrows: p.csv\n"), watch=heard.append
    )
    assert heard == [10_000, 20_000]
