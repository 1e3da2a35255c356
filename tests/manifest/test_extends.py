"""A job file that takes over what another one says."""

import pytest

from batchgen.errors import ManifestError
from batchgen.manifest import load_manifest

BASE = """\
name: base
provider: {kind: simulator, simulator: {latency_s: 1, seed: 3}}
prompt: "{subject}, {style}"
defaults: {model: test/test, size: 1x1, quality: low}
matrix:
  style: {ink: loose ink, oil: thick oil}
  subject: [mug, pot]
exclude: [{style: ink, subject: pot}]
limits: {concurrency: 3, lanes: {"a/*": {concurrency: 2}, "b/*": {rate: 1/s}}}
"""


@pytest.fixture
def extended(write):
    def extended(text, base=BASE, name="base.yaml"):
        write(name, base)
        return load_manifest(write("job.yaml", f"extends: {name}\n{text}"))

    return extended


def problems(act):
    with pytest.raises(ManifestError) as caught:
        act()
    return [(one.place.rpartition("/")[2], one.message) for one in caught.value.problems]


def test_a_job_takes_over_all_of_its_base_but_the_name(extended):
    manifest = extended("repeat: 2\n")
    assert (manifest.name, manifest.repeat, manifest.limits.concurrency) == ("job", 2, 3)
    assert manifest.defaults == {"model": "test/test", "size": "1x1", "quality": "low"}
    assert [axis.name for axis in manifest.axes] == ["style", "subject"]
    assert len(manifest.exclude) == 1


def test_mappings_are_merged_at_every_depth_and_the_rest_is_replaced(extended):
    manifest = extended(
        "provider: {simulator: {seed: 4}}\n"
        "defaults: {size: 2x2}\n"
        "limits: {lanes: {'a/*': {rate: 9/s}}}\n"
        "matrix: {subject: [cup]}\n"
        "exclude: []\n"
    )
    assert manifest.provider.simulator == {"latency_s": 1, "seed": 4}
    assert manifest.defaults == {"model": "test/test", "size": "2x2", "quality": "low"}
    assert [(lane.pattern, lane.concurrency, lane.rate and lane.rate.text) for lane in manifest.limits.lanes] == [
        ("a/*", 2, "9/s"),
        ("b/*", None, "1/s"),
    ]
    assert [(axis.name, [value.title for value in axis.values]) for axis in manifest.axes] == [
        ("style", ["ink", "oil"]),
        ("subject", ["cup"]),
    ]
    assert manifest.exclude == ()


def test_an_axis_is_replaced_whole_even_where_both_have_titles(extended):
    (style, _) = extended("matrix: {style: {chalk: dry chalk}}\nexclude: []\n").axes
    assert [value.title for value in style.values] == ["chalk"]


def test_a_key_with_nothing_behind_it_takes_the_base_s_away(extended):
    manifest = extended("defaults: {quality: }\nexclude:\nmatrix: {style: }\nprompt: '{subject}'\n")
    assert manifest.defaults == {"model": "test/test", "size": "1x1"}
    assert [axis.name for axis in manifest.axes] == ["subject"]
    assert manifest.exclude == ()


def test_a_base_may_have_a_base(write):
    write("a.yaml", "prompt: a\ndefaults: {size: 1x1, model: a}\n")
    write("b.yaml", "extends: a.yaml\ndefaults: {size: 2x2}\nrepeat: 2\n")
    manifest = load_manifest(write("c.yaml", "extends: b.yaml\nrepeat: 3\n"))
    assert (manifest.defaults, manifest.repeat) == ({"size": "2x2", "model": "a"}, 3)


def test_paths_of_a_base_are_relative_to_the_base(write, tmp_path):
    base = """\
extends: ../common.yaml
rows: rows.csv
defaults: {image: in/a.png, mask: /abs/m.png}
matrix:
  look: {one: {image: in/b.png, note: in/b.png}, two: {mask: m.png}}
  file: {file: notes.txt}
zip: [{image2: [c.png], mask2: [d.png]}]
prompt: "{look} {file} {note} {image2} {mask2}"
"""
    write("sub/base.yaml", base)
    write("sub/rows.csv", "note\nx\n")
    write("sub/notes.txt", "c.png\n")
    write("in/x.png", "x")
    write("common.yaml", "defaults: {model: m}\nmatrix: {picture: {files: in/*.png}}\n")
    write("sub/up.yaml", "prompt: a\ndefaults: {model: m, mask: ../in/x.png}\nmatrix: {image: {files: ../in/*.png}}\n")
    job = write("job.yaml", "extends: sub/base.yaml\nprompt: '{note} {file} {image2} {mask2} {picture}'\n")
    manifest = load_manifest(job)
    assert manifest.rows.path == tmp_path / "sub/rows.csv"
    assert manifest.defaults == {"model": "m", "image": "sub/in/a.png", "mask": "/abs/m.png"}
    picture, look, file, _ = manifest.axes
    assert picture.values[0].settings == {"picture": "in/x.png"}
    assert [dict(value.settings) for value in look.values] == [
        {"image": "sub/in/b.png", "note": "in/b.png"},
        {"mask": "sub/m.png"},
    ]
    assert file.values[0].settings == {"file": "c.png"}
    upwards = load_manifest(write("up.yaml", "extends: sub/up.yaml\n"))
    assert (upwards.defaults["mask"], upwards.axes[0].values[0].settings) == ("in/x.png", {"image": "in/x.png"})


def test_pictures_in_every_place_of_a_base_move_with_it(write):
    text = """\
prompt: a
defaults: {model: m}
rows: [{image: [a.png, https://a.example/b.png]}, {image: "data:image/png;base64,iVBORw0KGgo="}]
matrix: {mask: [m.png]}
include: [{mask: m.png}]
exclude: [{mask: m.png, image: a.png}]
"""
    write("sub/base.yaml", text)
    manifest = load_manifest(write("job.yaml", "extends: sub/base.yaml\n"))
    assert [row.values["image"] for row in manifest.rows] == [
        ("sub/a.png", "https://a.example/b.png"),
        "data:image/png;base64,iVBORw0KGgo=",
    ]
    assert manifest.axes[0].values[0].settings == {"mask": "sub/m.png"}
    assert manifest.include[0].choice == {"mask": "sub/m.png"}
    assert manifest.exclude[0].choice == {"mask": "sub/m.png", "image": "sub/a.png"}


def test_mistakes_are_told_in_the_file_they_stand_in(extended):
    base = "prompt: a\ndefaults:\n  model: m\n  size: big\nlimit: {}\nmatrix: {quality: [ultra]}\n"
    told = problems(lambda: extended("retry: {deadline: soon}\ndefaults: {model: n}\n", base))
    assert [place for place, _ in told] == ["base.yaml:4", "base.yaml:5", "base.yaml:6", "job.yaml:2"]


def test_what_a_job_replaces_is_no_mistake_of_its_base(extended):
    manifest = extended("defaults: {size: 2x2}\n", "prompt: a\ndefaults: {model: m, size: big}\n")
    assert manifest.defaults["size"] == "2x2"


@pytest.mark.parametrize(
    ("base", "place", "said"),
    [
        ("nope.yaml", "job.yaml:1", "not found"),
        ("[a.yaml]", "job.yaml:1", "extends must be the name of a file, found a list"),
        ("job.yaml", "job.yaml:1", "extends leads back to where it began: job.yaml → job.yaml"),
        (
            "ring.yaml",
            "ring2.yaml:1",
            "extends leads back to where it began: job.yaml → ring.yaml → ring2.yaml → ring.yaml",
        ),
        ("../above.yaml", "job.yaml:1", "extends must lie inside the manifest's folder"),
        ("/etc/job.yaml", "job.yaml:1", "extends must lie inside the manifest's folder"),
        ("link.yaml", "job.yaml:1", "extends must lie inside the manifest's folder"),
        ("rows.csv", "job.yaml:1", "extends must name a YAML job file, found 'rows.csv'"),
        ("sub", "job.yaml:1", "extends must name a YAML job file, found 'sub'"),
        ("sub.yaml", "job.yaml:1", "is a directory"),
        ("empty.yaml", "empty.yaml", "the job file is empty"),
        ("broken.yaml", "broken.yaml:2:1", "no YAML"),
        ("twice.yaml", "twice.yaml:2", "duplicate key 'prompt'"),
        ("long0.yaml", "long7.yaml:1", "extends leads through more than 8 files"),
    ],
)
def test_a_base_that_can_t_be_taken_says_why(write, tmp_path, base, place, said):
    write("ring.yaml", "extends: ring2.yaml\n")
    write("ring2.yaml", "extends: ring.yaml\n")
    write("rows.csv", "a\n1\n")
    write("empty.yaml", "# nothing\n")
    write("broken.yaml", "a: b\n\tc: d\n")
    write("twice.yaml", "prompt: a\nprompt: b\n")
    write("sub.yaml/x", "a")
    for number in range(10):
        write(f"long{number}.yaml", f"extends: long{number + 1}.yaml\n")
    (tmp_path / "link.yaml").symlink_to("/etc/hostname")
    job = write("job.yaml", f"extends: {base}\nprompt: a\n")
    told = problems(lambda: load_manifest(job))
    assert told[0][0] == place
    assert said in told[0][1]
