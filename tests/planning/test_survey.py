"""What a plan is told to be: at the place that says it, and once."""

import pytest

from batchgen.errors import ManifestError
from batchgen.planning.plan import make_plan
from batchgen.provider.interface import Catalogue, Model

MODELS = {
    "a/1": Model("a/1", "image", None, sizes=("1024x1024",), takes_quality=False),
    "a/2": Model("a/2", "image", None),
}
JOB = "prompt: '{p}'\ndefaults: {model: %s}\nrows: rows.csv\n"


@pytest.fixture
def told(load, tmp_path):
    """The mistakes and the warnings of a job with these rows, as (file and line, message)."""

    def told(job, rows, *, binding):
        (tmp_path / "rows.csv").write_text(rows, encoding="utf-8")
        manifest = load(job)
        try:
            found = make_plan(manifest, Catalogue(MODELS, binding=binding)).warnings
        except ManifestError as error:
            found = error.problems
        return [(one.place.rpartition("/")[2], one.message) for one in found]

    return told


def test_an_unknown_model_is_told_once_where_it_stands_and_not_in_each_row(told):
    rows = "p,image\n" + "a fox,a.png\na mug,b.png\n" * 5
    ((place, message),) = told(JOB % "a/11", rows, binding=True)
    assert place == "job.yaml:2"
    assert message.startswith("model 'a/11' is not in the catalogue")


def test_an_unknown_model_of_many_rows_is_told_at_the_first(told):
    ((place, _),) = told(JOB % "a/2", "p,model\na,a/2\nb,a/11\nc,a/11\n", binding=True)
    assert place == "rows.csv:3"


def test_each_row_with_a_size_of_its_own_is_told(told):
    found = told(JOB % "a/1", "p,size\na,512x512\nb,\nc,512x512\n", binding=True)
    assert [place for place, _ in found] == ["rows.csv:2", "rows.csv:4"]


def test_notices_of_the_catalogue_come_once_for_each_model_and_parameter(told):
    rows = "p,size,quality\n" + "".join(f"x{side},{side}x{side},low\n" for side in (512, 640, 768))
    found = told(JOB % "a/1", rows, binding=False)
    assert [(place, message.partition(";")[0].partition(":")[0]) for place, message in found] == [
        ("rows.csv:2", "a/1 takes no `size` 512x512"),
        ("rows.csv:2", "a/1 takes no `quality`"),
    ]
    assert found[0][1].endswith("(so it is with 2 other values)")
