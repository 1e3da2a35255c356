"""Pictures and masks that a service would refuse, ignore or spoil are mistakes before a cent is spent."""

import pytest

from batchgen.errors import ManifestError
from batchgen.manifest import load_manifest
from batchgen.planning.plan import make_plan
from batchgen.store.inputs.input_files import InputFiles
from tests.photos import mask, photo


@pytest.fixture
def job(tmp_path):
    """The plan of a job with these rows, in a folder with these pictures."""

    def job(rows, *, top="", decodes=False, **pictures):
        for name, content in pictures.items():
            (tmp_path / name.replace("_", ".")).write_bytes(content)
        (tmp_path / "rows.jsonl").write_text(rows)
        (tmp_path / "job.yaml").write_text(f"prompt: paint\nrows: rows.jsonl\ndefaults: {{model: m}}\n{top}")
        manifest = load_manifest(tmp_path / "job.yaml")
        return make_plan(manifest, files=InputFiles(tmp_path, decodes=decodes))

    return job


def told(job, *given, **more):
    with pytest.raises(ManifestError) as caught:
        job(*given, **more)
    return [str(one).rpartition("rows.jsonl:")[2] for one in caught.value.problems]


ONE = '{"image": "a.png", "mask": "m.png"}\n'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (mask(size=(32, 24)), "the mask 'm.png' is 32x24 and its picture 'a.png' is 64x48; give both one size"),
        (photo(), "the mask 'm.png' has no transparency"),
        (mask(alpha=255), "the mask 'm.png' is opaque all over, so that there is nothing to edit"),
        (mask()[:60], "'m.png' is cut off"),
    ],
)
def test_a_mask_that_edits_nothing_is_never_paid_for(job, content, said):
    (found,) = told(job, ONE, a_png=photo(), m_png=content)
    assert found.startswith(f"1: {said}")


def test_a_mask_without_a_picture_is_told_by_its_row(job):
    (found,) = told(job, '{"image": "a.png"}\n{"mask": "m.png"}\n', a_png=photo(), m_png=mask())
    assert found == "2: the mask 'm.png' has no picture to belong to; give `image` beside `mask`"


def test_a_good_mask_passes_with_the_first_of_several_pictures(job):
    rows = '{"image": ["a.png", "b.png"], "mask": "m.png"}\n'
    assert job(rows, a_png=photo(), b_png=photo(size=(9, 9)), m_png=mask(alpha=128)).survey.warnings == ()


def test_a_mask_for_a_picture_at_an_address_is_held_against_what_is_known(job):
    assert job('{"image": "https://x.example/a.png", "mask": "m.png"}\n', m_png=mask())


def test_masks_of_a_service_of_ones_own_are_only_told(job):
    top = "provider: {kind: openai, base_url: 'https://pictures.example/v1'}\n"
    (odd,) = job(ONE, top=top, a_png=photo(), m_png=photo()).survey.warnings
    assert odd.message.startswith("the mask 'm.png' has no transparency")


def test_every_broken_picture_is_told_at_once_with_its_row(job):
    jpeg = photo("jpeg", size=(300, 200))
    rows = "".join(f'{{"image": "{name}"}}\n' for name in ("a.png", "b.jpg", "c.jpg", "d.gif", "e.png", "a.png"))
    half = {"a_png": photo()[:300], "b_jpg": jpeg[:900], "c_jpg": jpeg[: len(jpeg) // 2] + b"\xff\xd9"}
    found = told(job, rows, decodes=True, **half, d_gif=b"", e_png=photo("webp"))
    assert [line.partition(":")[0] for line in found] == ["1", "2", "4", "5", "3"]
    for said in ("is cut off", "is cut off", "is empty", "is a WebP under the name of another type", "is cut off"):
        assert said in found.pop(0)


def test_a_check_decodes_no_picture_but_masks(job):
    jpeg = photo("jpeg", size=(300, 200))
    assert job('{"image": "c.jpg"}\n', c_jpg=jpeg[: len(jpeg) // 2] + b"\xff\xd9")


def test_what_models_see_otherwise_than_people_is_one_notice_for_all_pictures(job):
    names = [f"{number}.jpg" for number in range(5)]
    pictures = {f"{number}_jpg": photo("jpeg", orientation=6) for number in range(5)}
    rows = "".join(f'{{"image": "{name}"}}\n' for name in [*names, "c.jpg"])
    turned, inks = job(rows, **pictures, c_jpg=photo("jpeg", mode="CMYK")).survey.warnings
    assert turned.message == (
        "5 pictures with an EXIF orientation, which models don't see: '0.jpg', '1.jpg', '2.jpg' and 2 more"
    )
    assert "orient: true" in turned.suggestion
    assert inks.message == "1 picture in CMYK, which services convert or refuse: 'c.jpg'"


def test_notices_are_told_beside_mistakes(job):
    with pytest.raises(ManifestError) as caught:
        job('{"image": "a.jpg"}\n{"image": "b.png"}\n', a_jpg=photo("jpeg", orientation=3), b_png=b"")
    assert [note.message.partition(",")[0] for note in caught.value.notes] == ["1 picture with an EXIF orientation"]


def test_pictures_that_are_to_be_upright_are_sent_and_known_as_such(job):
    row = '{"image": "a.jpg", "mask": "m.png"}\n'
    pictures = {"a_jpg": photo("jpeg", orientation=6), "m_png": mask(size=(48, 64))}
    (as_is,) = told(job, row, **pictures)
    assert "is 48x64 and its picture 'a.jpg' is 64x48" in as_is
    upright = job(row, top="inputs: {orient: true}\n", **pictures)
    assert upright.survey.warnings == ()
    (request,) = upright
    (picture,) = request.image
    assert picture.source == "a.jpg"
    assert picture.digest.encode() in request.canonical
    assert picture.path.name == picture.digest.removeprefix("sha256:")


def test_a_picture_that_stands_upright_is_sent_byte_for_byte(job):
    pictures = {"a_jpg": photo("jpeg"), "b_png": photo()}
    rows = '{"image": "a.jpg"}\n{"image": "b.png"}\n'
    keys = [request.key for request in job(rows, **pictures)]
    assert [request.key for request in job(rows, top="inputs: {orient: true}\n", **pictures)] == keys


def test_a_column_that_hides_the_edited_pictures_in_a_dataset_is_told(job):
    (found,) = told(job, '{"image": "a.png", "input": "x"}\n', a_png=photo())
    assert "the name 'input' is taken" in found
    assert job('{"input": "x"}\n')
