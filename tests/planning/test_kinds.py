"""Whether a request asks for a picture or a film: the manifest says, else the catalogue, else that it has a length."""

import json

import pytest

from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan
from batchgen.provider.interface import Catalogue, Model
from batchgen.request import Kind

CATALOGUE = Catalogue(
    {"still": Model("still", "image", None), "moving": Model("moving", "video", None, aliases=("film",))}
)


def kinds(folder, catalogue=None, **job):
    (folder / "job.yaml").write_text(json.dumps({"prompt": "a fox", **job}))
    return [request.kind for request in make_plan(load_manifest(folder / "job.yaml"), catalogue)]


@pytest.mark.parametrize(
    ("job", "catalogue", "kind"),
    [
        ({"defaults": {"model": "moving"}}, CATALOGUE, Kind.VIDEO),
        ({"defaults": {"model": "film"}}, CATALOGUE, Kind.VIDEO),
        ({"defaults": {"model": "still"}}, CATALOGUE, Kind.IMAGE),
        ({"defaults": {"model": "moving"}}, None, Kind.IMAGE),
        ({"defaults": {"model": "moving"}, "kind": "video"}, None, Kind.VIDEO),
        ({"defaults": {"model": "moving", "seconds": "5"}}, None, Kind.VIDEO),
        ({"defaults": {"model": "moving", "seconds": "5"}, "kind": "image"}, None, Kind.IMAGE),
        ({"defaults": {"model": "still", "seconds": "5"}}, CATALOGUE, Kind.IMAGE),
        ({"defaults": {"model": "m"}, "rows": [{"seconds": "5"}]}, None, Kind.VIDEO),
        ({"defaults": {"model": "m"}, "matrix": {"seconds": ["5"]}}, None, Kind.VIDEO),
    ],
)
def test_a_request_s_kind(tmp_path, job, catalogue, kind):
    assert kinds(tmp_path, catalogue, **job) == [kind]


def test_each_row_has_its_own(tmp_path):
    rows = [{"model": "still"}, {"model": "moving"}, {"model": "unknown", "seconds": "4"}, {"model": "unknown"}]
    found = kinds(tmp_path, Catalogue(CATALOGUE.models, binding=False), rows=rows)
    assert found == [Kind.IMAGE, Kind.VIDEO, Kind.VIDEO, Kind.IMAGE]


def test_a_film_and_a_picture_of_the_same_words_have_two_keys(tmp_path):
    def key(**job):
        (tmp_path / "job.yaml").write_text(json.dumps({"prompt": "a fox", "defaults": {"model": "m"}, **job}))
        return next(iter(make_plan(load_manifest(tmp_path / "job.yaml")))).key

    assert key() == key(kind="image") != key(kind="video")
