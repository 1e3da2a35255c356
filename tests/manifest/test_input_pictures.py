"""Input pictures are judged along with all other mistakes of a manifest, and lie where the manifest does."""

import unicodedata

import pytest

from batchgen.errors import ManifestError
from batchgen.manifest import Overrides, load_manifest
from batchgen.manifest.input_pictures import picture_problem
from batchgen.planning.plan import make_plan
from batchgen.provider.interface import Catalogue, Model
from tests.photos import mask

PNG = mask()
MISTAKEN = """\
promt: a
prompt: "{what}"
defaults: {model: m, mask: no-mask.png}
matrix:
  image: {front: no-front.png, back: a.png}
rows: rows.csv
"""


def told(path, **flags):
    with pytest.raises(ManifestError) as caught:
        make_plan(load_manifest(path, overrides=Overrides(**flags)))
    return [str(one).replace(f"{path.parent}/", "") for one in caught.value.problems]


def test_pictures_are_told_along_with_the_other_mistakes_in_the_order_of_the_file(write, tmp_path):
    write("a.png", PNG)
    write("rows.csv", "what,size,mask\na,64x64,a.png\nb,65,gone.png\nc,64x64,text.png\n")
    write("text.png", "hello")
    found = told(write("job.yaml", MISTAKEN))
    places = ["job.yaml:1", "job.yaml:3", "job.yaml:5", "rows.csv:3", "rows.csv:3", "rows.csv:4"]
    assert [one.rpartition(": ")[0].split(": ")[0] for one in found] == places
    assert "defaults.mask: 'no-mask.png': there is no such file" in found[1]
    assert "matrix.image.front: 'no-front.png': there is no such file" in found[2]
    assert "row 2: 'gone.png': there is no such file" in found[4]
    assert "'text.png' is no picture" in found[5]


def test_a_picture_that_many_rows_ask_for_is_told_once(write):
    write("rows.csv", "what,image\na,gone.png\nb,gone.png\n")
    job = "promt: a\nprompt: '{what}'\ndefaults: {model: m}\nrows: rows.csv\n"
    assert sum("gone.png" in one for one in told(write("job.yaml", job))) == 1


def test_everything_that_is_wrong_with_one_row_is_told_at_once(write):
    catalogue = Catalogue({"m": Model("m", "image", None, sizes=("64x64",))})
    write("rows.csv", "prompt,model,size,image\na,m,65x65,one.png|two.png\nb,m,65,three.png\nc,m,64x64,four.png\n")
    with pytest.raises(ManifestError) as caught:
        make_plan(load_manifest(write("job.yaml", "rows: rows.csv\n")), catalogue)
    found = [str(one) for one in caught.value.problems]
    assert [sum(word in one for one in found) for word in ("one.png", "two.png", "three.png", "four.png")] == [1] * 4
    assert sum("takes no `size` 65x65" in one for one in found) == 1
    assert sum("size must be 'auto' or a text" in one for one in found) == 1
    assert len(found) == 6


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<svg xmlns=''/>", "it is an SVG drawing"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>", "it is XML, perhaps an SVG drawing"),
        (b"%PDF-1.7", "it is a PDF"),
        (b"\0\0\0\x18ftypheic", "it is HEIC"),
        (b"\0\0\0\x1cftypavif", "it is AVIF"),
        (b"\0\0\0\x18ftypisom", "it is a film"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"hello", "it begins with b'hello'"),
    ],
)
def test_a_file_that_is_no_picture_is_told_by_what_it_is(write, tmp_path, content, said):
    write("a.png", content)
    assert picture_problem(tmp_path, "a.png").endswith(said) or said in picture_problem(tmp_path, "a.png")


@pytest.mark.parametrize(
    ("there", "asked", "said"),
    [
        ("mug.png", "mgu.png", "did you mean 'mug.png'?"),
        ("mug.png", "mug.png\xa0", "'mug.png\\xa0': there is no such file"),
        ("in/mug.png", "in\\mug.png", "write '/' between folders"),
        ("mug.png", "~/mug.png", "'~' is not replaced"),
        (unicodedata.normalize("NFC", "é.png"), unicodedata.normalize("NFD", "é.png"), "in another Unicode form"),
    ],
)
def test_a_picture_that_is_not_there_is_told_with_what_was_probably_meant(write, tmp_path, there, asked, said):
    write(there, PNG)
    assert said in picture_problem(tmp_path, asked)


OUTSIDE = {
    "rows: ../elsewhere/rows.csv": "rows must lie inside the manifest's folder",
    "rows: linked.csv": "rows must lie inside the manifest's folder",
    "matrix: {what: {file: ../elsewhere/rows.csv}}": "matrix.what.file must lie inside the manifest's folder",
    "matrix: {image: {files: ../elsewhere/*.png}}\nprompt: a": "matrix.image.files must lie inside",
    "rows: [{what: a, image: ../elsewhere/a.png}]": "'../elsewhere/a.png' lies outside the manifest's folder",
}


@pytest.mark.parametrize(("text", "said"), OUTSIDE.items())
def test_a_file_outside_the_manifest_s_folder_wants_a_word_on_the_command_line(write, tmp_path, text, said):
    write("elsewhere/rows.csv", "what\nmug\n")
    write("elsewhere/a.png", PNG)
    prompt = "" if "prompt" in text else "prompt: '{what}'\n"
    job = write("jobs/job.yaml", f"{prompt}defaults: {{model: m}}\n{text}\n")
    (tmp_path / "jobs/linked.csv").symlink_to(tmp_path / "elsewhere/rows.csv")
    (found,) = told(job)
    assert said in found
    assert "--allow-outside" in found
    assert len(list(make_plan(load_manifest(job, overrides=Overrides(allow_outside=True))))) == 1


def test_a_table_named_on_the_command_line_may_be_a_link_to_anywhere(write, tmp_path):
    write("elsewhere/rows.csv", "prompt,model\nmug,m\n")
    (tmp_path / "linked.csv").symlink_to(tmp_path / "elsewhere/rows.csv")
    assert len(list(make_plan(load_manifest(tmp_path / "linked.csv")))) == 1
