"""What a survey found, kept for the next plan: it holds exactly while nothing that had a say in it has changed."""

from dataclasses import replace

import pytest

from batchgen.manifest import load_manifest
from batchgen.planning import survey_cache
from batchgen.planning.plan import Plan, make_plan
from batchgen.provider.interface import Catalogue, Model, Price
from tests.photos import photo

JOB = """
provider: simulator
prompt: "{subject}, {style}"
rows: rows.csv
defaults: {model: maker/one, size: 1024x1024}
matrix: {style: [photo, ink]}
repeat: 2
"""
MODELS = (Model("maker/one", "image", None, aliases=("one",)), Model("maker/two", "image", None))
CATALOGUE = Catalogue({model.id: model for model in MODELS})


@pytest.fixture(autouse=True)
def _every_plan_is_worth_a_memo(monkeypatch):
    monkeypatch.setattr(survey_cache, "SMALLEST", 1)


@pytest.fixture
def load(tmp_path):
    (tmp_path / "rows.csv").write_text("subject\nmug\nbowl\n")
    (tmp_path / "a.png").write_bytes(photo())

    def load(job=JOB):
        (tmp_path / "job.yaml").write_text(job)
        return load_manifest(tmp_path / "job.yaml")

    load.rows = tmp_path / "rows.csv"
    return load


def test_a_memo_tells_of_an_unchanged_plan_what_its_survey_found(load):
    first = make_plan(load(JOB.replace("maker/one", "maker/one:free").replace("repeat: 2", "repeat: 20")))
    again = make_plan(first.manifest, memo=first.memo())
    assert again.is_known
    assert first.warnings
    assert again.warnings == first.warnings
    assert list(again.outline.numbers) == list(first.outline.numbers)
    assert again.count_by_model() == first.count_by_model()
    assert list(again) == list(first)
    assert again.memo() is None


@pytest.mark.parametrize(
    ("said", "instead"),
    [
        ("simulator", "openai"),
        ('"{subject}, {style}"', '"{style}, {subject}"'),
        ("1024x1024", "512x512"),
        ("[photo, ink]", "[ink, photo]"),
        ("repeat: 2", "repeat: 3"),
        ("repeat: 2", "exclude: [{style: ink}]"),
        ("repeat: 2", "include: [{style: chalk}]"),
        ("repeat: 2", "prices: {maker/one: 0.1}"),
        ("repeat: 2", 'output: {path: "{subject}-{style}"}'),
        ("repeat: 2", "kind: video"),
    ],
)
def test_a_change_of_the_manifest_is_surveyed_anew(load, said, instead):
    old = make_plan(load()).memo()
    changed = Plan(load(JOB.replace(said, instead)), memo=old)
    assert not changed.is_known


def test_a_change_of_the_rows_or_the_catalogue_is_surveyed_anew(load):
    manifest = load()
    old = make_plan(manifest, CATALOGUE).memo()
    assert Plan(manifest, CATALOGUE, memo=old).is_known
    assert not Plan(manifest, None, memo=old).is_known
    assert not Plan(manifest, Catalogue({"maker/one": MODELS[0]}), memo=old).is_known
    load.rows.write_text("subject\nmug\nvase\n")
    assert not Plan(manifest, CATALOGUE, memo=old).is_known


def test_a_new_price_has_no_say(load):
    manifest = load()
    dearer = Catalogue({model.id: replace(model, price=Price(1, 2, 3, "catalogue")) for model in MODELS})
    assert Plan(manifest, dearer, memo=make_plan(manifest, CATALOGUE).memo()).is_known


def test_rows_in_the_manifest_itself_count_too(load):
    job = JOB.replace("rows.csv", "[{subject: mug}]")
    old = make_plan(load(job)).memo()
    assert Plan(load(job), memo=old).is_known
    assert not Plan(load(job.replace("mug", "bowl")), memo=old).is_known


def test_limits_and_the_name_have_no_say(load):
    old = make_plan(load()).memo()
    assert Plan(load(JOB + "name: other\nlimits: {concurrency: 3, budget_usd: 4}\n"), memo=old).is_known


def test_another_version_surveys_anew(load, monkeypatch):
    old = make_plan(load()).memo()
    monkeypatch.setattr(survey_cache, "__version__", "999")
    assert not Plan(load(), memo=old).is_known


def test_a_plan_that_reads_input_pictures_is_never_remembered(load):
    assert make_plan(load(JOB.replace("repeat: 2", "repeat: 2\nzip: [{image: [a.png]}]"))).memo() is None


def test_a_small_plan_is_not_worth_a_file(load, monkeypatch):
    monkeypatch.setattr(survey_cache, "SMALLEST", 9)
    assert make_plan(load()).memo() is None


def test_a_memo_that_was_cut_or_altered_is_as_none(load):
    manifest = load()
    whole = make_plan(manifest).memo()
    assert whole is not None
    for place in range(0, len(whole), 7):
        altered = bytes([*whole[:place], whole[place] ^ 1, *whole[place + 1 :]])
        assert not Plan(manifest, memo=altered).is_known
        assert not Plan(manifest, memo=whole[:place]).is_known


def test_rows_that_are_edited_while_they_are_read_leave_no_memo(load):
    plan = Plan(load())
    assert plan.survey.outline
    load.rows.write_text("subject\nmug\nvase\n")
    assert plan.memo() is None
