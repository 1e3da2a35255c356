import json
from pathlib import Path

import pytest

from batchgen.errors import ManifestError
from batchgen.planning.catalogue_check import Asked, CatalogueCheck, near_names
from batchgen.provider.catalogue import read_catalogue
from batchgen.provider.interface import Catalogue, Model
from batchgen.request import Kind

# In the service's own form, with names and prices of real models.
OURS = Path(__file__).with_name("catalogue.json")
SNAPSHOT = Path(__file__).parents[3] / "shared/data/models-v2.json"
CATALOGUES = [
    OURS,
    pytest.param(
        SNAPSHOT,
        marks=pytest.mark.skipif(
            not SNAPSHOT.exists(), reason="the whole catalogue lies beside the checkout only where it is made"
        ),
    ),
]

MODELS = {
    model.id: model
    for model in (
        Model("maker/plain", "image", None, takes_image=False, takes_mask=False, takes_quality=False),
        Model("maker/sized", "image", None, aliases=("sized",), sizes=("auto", "1024x1024", "1536x1024", "1024x1536")),
        Model("maker/small:free", "image", None),
        Model("maker/listed:free", "image", None, sizes=("1024x1024", "1536x1024")),
        Model("maker/film", "video", None, seconds=("4", "8")),
    )
}
BINDING = CatalogueCheck(Catalogue(MODELS), provider="imagerouter", priced={"my/own"})


def told(offer, model, **asked):
    return [(one.refused, one.message) for one in offer.objections(Asked(model, offer.kind(model), **asked))]


REFUSED = [
    (Asked("maker/plain", images=1), "takes no `image`"),
    (Asked("maker/plain", mask=True), "takes no `mask`"),
    (Asked("maker/sized", size="512x512"), "it takes auto, 1024x1024, 1536x1024, 1024x1536; 1024x1024 is the nearest"),
    (Asked("maker/sized", size="1920x1280"), "1536x1024 is the nearest"),
    (Asked("sized", size="2x3"), "1024x1536 is the nearest"),
    (Asked("maker/small:free", size="1025x64"), "at most 1024x1024, found 1025x64"),
    (Asked("maker/film", Kind.VIDEO, seconds="5"), "no film of 5 seconds; it takes 4, 8"),
    (Asked("maker/film", Kind.VIDEO, images=7), "6 pictures at most, found 7"),
    (Asked("maker/film", Kind.IMAGE), "makes films, and `kind: image` asks for pictures"),
    (Asked("maker/plain", Kind.VIDEO), "makes pictures, and `kind: video` asks for films"),
    (Asked("maker/plian"), "did you mean 'maker/plain'"),
    (Asked("Maker/Plain"), "did you mean 'maker/plain'"),
    (Asked("quite/different"), "`batchgen models` lists it"),
]
WARNED = [
    (Asked("maker/plain", quality="low"), "takes no `quality`"),
    (Asked("maker/plain", seconds="5"), "`seconds` is for films"),
    (Asked("maker/film", Kind.VIDEO, images=2), "uses one of the 2 pictures"),
    (Asked("maker/listed:free", size="1536x1024"), "free models are documented to give at most"),
]
FINE = [
    Asked("maker/plain", size="1x1", quality="auto"),
    Asked("maker/sized", size="auto", quality="high", images=16, mask=True),
    Asked("maker/sized", size="1536x1024"),
    Asked("maker/small:free", size="1024x1024"),
    Asked("maker/film", Kind.VIDEO, size="2x2", seconds="8", images=1),
    Asked("maker/film", Kind.VIDEO, seconds="auto"),
    Asked("my/own", size="1x1"),
]


@pytest.mark.parametrize(("asked", "words"), REFUSED)
def test_what_the_service_would_refuse_is_refused_here(asked, words):
    (objection,) = BINDING.objections(asked)
    assert words in objection.message
    assert objection.refused


@pytest.mark.parametrize(("asked", "words"), WARNED)
def test_what_the_service_would_ignore_is_a_warning(asked, words):
    (objection,) = BINDING.objections(asked)
    assert words in objection.message
    assert not objection.refused


@pytest.mark.parametrize("asked", FINE)
def test_what_a_model_takes_is_not_objected_to(asked):
    assert BINDING.objections(asked) == ()


@pytest.mark.parametrize("asked", [asked for asked, _ in REFUSED + WARNED] + FINE)
def test_an_older_or_incomplete_catalogue_refuses_nothing(asked):
    older = CatalogueCheck(Catalogue(MODELS, binding=False), provider="openai")
    assert not any(objection.refused for objection in older.objections(asked))


@pytest.mark.parametrize("catalogue", [None, Catalogue({}), Catalogue({}, binding=False)])
def test_no_catalogue_has_no_objection(catalogue):
    offer = CatalogueCheck(catalogue, provider="imagerouter")
    assert offer.objections(Asked("any/model", size="1x1", images=9, mask=True)) == ()
    assert (offer.resolved("any"), offer.kind("any")) == ("any", Kind.IMAGE)


def test_a_list_of_pictures_alone_says_nothing_of_a_film():
    pictures = Catalogue({"maker/plain": MODELS["maker/plain"]})
    assert CatalogueCheck(pictures, provider="imagerouter").objections(Asked("new/film", Kind.VIDEO)) == ()
    assert (
        CatalogueCheck(Catalogue(MODELS), provider="imagerouter").objections(Asked("new/film", Kind.VIDEO))[0].refused
    )


def test_a_server_that_lists_its_models_only_hears_of_what_looks_like_a_slip():
    local = CatalogueCheck(
        Catalogue({"flux.1-dev": Model("flux.1-dev", "image", None)}, binding=False), provider="openai"
    )
    assert told(local, "flux.1-dve") == [
        (False, "model 'flux.1-dve' is not in the catalogue of openai; did you mean 'flux.1-dev'?")
    ]
    assert told(local, "my-own-checkpoint") == []


def test_an_alias_is_resolved_and_held_against_its_model():
    assert BINDING.resolved("sized") == "maker/sized"
    assert told(BINDING, "sized", size="auto") == []


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("flux-1-shnell", "black-forest-labs/FLUX-1-schnell"),
        ("gpt-image-1", "openai/gpt-image-1"),
        ("openai/gpt-imgae-1", "openai/gpt-image-1"),
        ("google/gemini-2.5-flash-image", "google/gemini-2.5-flash"),
        ("veo3", "google/veo-3"),
    ],
)
@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.stem)
def test_the_nearest_of_the_real_models_is_the_one_that_was_meant(name, first, file):
    assert near_names(name, read_catalogue(json.loads(file.read_text())).names)[0] == first


@pytest.mark.parametrize("file", CATALOGUES, ids=lambda file: file.stem)
def test_no_real_model_objects_to_what_it_lists(file):
    listed = json.loads(file.read_text())
    catalogue = read_catalogue(listed)
    offer = CatalogueCheck(catalogue, provider="imagerouter")
    assert catalogue.models.keys() == listed.keys()
    for model in catalogue.models.values():
        for size in ("auto", *model.sizes):
            for seconds in (None, *model.seconds):
                asked = Asked(model.id, offer.kind(model.id), size=size, seconds=seconds)
                assert not any(objection.refused for objection in offer.objections(asked))


SWEEP = """\
prompt: "{subject}"
rows: rows.csv
matrix: {model: [maker/sized, maker/plain]}
"""


@pytest.fixture
def catalogued(plan, tmp_path):
    def catalogued(job, rows, *, binding=True):
        (tmp_path / "rows.csv").write_text(rows)
        return plan(job, catalogue=Catalogue(MODELS, binding=binding))

    return catalogued


def test_every_wrong_row_is_told_with_its_place(catalogued, tmp_path):
    rows = "subject,size\nmug,1024x1024\npot,512x512\ncup,auto\njug,640x480\n"
    with pytest.raises(ManifestError) as caught:
        catalogued(SWEEP, rows)
    assert [(problem.place, problem.message[:32]) for problem in caught.value.problems] == [
        (f"{tmp_path}/rows.csv:3", "maker/sized takes no `size` 512x"),
        (f"{tmp_path}/rows.csv:5", "maker/sized takes no `size` 640x"),
    ]


def test_a_mistake_of_the_manifest_itself_is_told_once_however_many_rows_there_are(catalogued, tmp_path):
    rows = "subject\n" + "mug\n" * 300
    with pytest.raises(ManifestError) as caught:
        catalogued(SWEEP.replace("maker/plain", "maker/plian") + "defaults: {size: 2x2}\n", rows)
    job = tmp_path / "job.yaml"
    assert [problem.place for problem in caught.value.problems] == [str(job), f"{job}:3"]


def test_of_many_wrong_rows_the_first_twenty_are_shown(catalogued):
    with pytest.raises(ManifestError) as caught:
        catalogued(SWEEP, "subject,size\n" + "pot,512x512\n" * 50)
    assert len(caught.value.problems) == 50
    assert str(caught.value).endswith("… and 30 more")


def test_an_older_catalogue_warns_of_the_same_and_stops_nothing(catalogued, tmp_path):
    made = catalogued(SWEEP, "subject,size\npot,512x512\njug,512x512\n", binding=False)
    assert len(list(made)) == 4
    (warning,) = made.warnings
    assert str(warning).startswith(f"{tmp_path}/rows.csv:2: maker/sized takes no `size` 512x512")


def test_the_kind_of_a_model_is_the_catalogue_s(catalogued):
    made = catalogued("prompt: a\nrows: rows.csv\n", "model\nmaker/film\nmaker/plain\n")
    assert [request.kind for request in made] == [Kind.VIDEO, Kind.IMAGE]


def test_more_requests_to_a_free_model_than_a_day_allows_are_warned_of(catalogued):
    made = catalogued("prompt: a\ndefaults: {model: 'maker/small:free'}\nrepeat: 51\n", "x\n")
    assert [warning.message for warning in made.warnings] == [
        "51 requests to maker/small:free: free models give 50 pictures a day"
    ]
