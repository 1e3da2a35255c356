"""What was edited is shown beside what came of it: in the grid's row, and to those who vote."""

import hashlib

import pytest

from batchgen.compare.writing import write_page
from batchgen.request import Input
from batchgen.store.inputs.copies import InputCopies
from tests.browser import SETTLED, until
from tests.compare import folders
from tests.compare.conftest import served
from tests.photos import photo

MODELS = ("maker/one", "maker/two")


def edited(folder, note):
    """An input picture with its copy in the run folder."""
    content = photo("jpeg", note=note)
    path = folder.root.parent / f"{note}.jpg"
    path.write_bytes(content)
    one = Input(path.name, f"sha256:{hashlib.sha256(content).hexdigest()}", "image/jpeg", path=path)
    InputCopies(folder.folder).keep([one])
    return one


@pytest.fixture(scope="module")
def edits(tmp_path_factory):
    """Two edits of one picture each by two models, one of two pictures, and a picture made from words."""
    with folders.building(tmp_path_factory.mktemp("run") / "edits") as folder:

        def paths(image):
            return {"input_paths": "\n".join(one.source for one in image)} if image else {}

        day, night = edited(folder, 1), edited(folder, 2)
        for prompt, image in (("by day", (day,)), ("by night", (day, night)), ("from words", ())):
            for model in MODELS:
                folder.store(
                    folder.request(prompt, model=model, axes={"model": model}, image=image, columns=paths(image))
                )
        folder.end()
    write_page(folder.folder)
    return folder.folder


def same_words(root, models):
    """Two pictures, each edited with the same two prompts."""
    with folders.building(root) as folder:
        for one in (edited(folder, 3), edited(folder, 4)):
            for prompt in ("by day", "by night"):
                for model in models:
                    columns = {"input_paths": one.source}
                    folder.store(
                        folder.request(prompt, model=model, axes={"model": model}, image=(one,), columns=columns)
                    )
    write_page(folder.folder)
    return (folder.root / "compare.html").as_uri()


def test_edits_of_several_pictures_by_the_same_words_stand_below_what_was_edited(visit, tmp_path):
    page = visit(same_words(tmp_path / "run", MODELS), height=1800)
    assert page.locator(".rowhead i").all_inner_texts() == ["3.jpg", "3.jpg", "4.jpg", "4.jpg"]
    assert page.locator(".rowhead p").all_inner_texts() == ["by day", "by night"] * 2
    assert page.locator(".cell").count() == 8
    assert page.locator(".missing").count() == page.get_by_role("radio").count() == 0
    until(page, "document.querySelectorAll('.origin img').length === 4")


def test_edits_by_one_model_are_a_gallery_with_what_was_edited_in_a_corner(visit, tmp_path):
    page = visit(same_words(tmp_path / "run", MODELS[:1]))
    assert page.locator(".gallery .cell").evaluate_all("all => all.map((one) => one.dataset.line.split('\\n')[0])") == [
        "3.jpg · by day", "3.jpg · by night", "4.jpg · by day", "4.jpg · by night"
    ]  # fmt: skip
    until(page, "document.querySelectorAll('.cell .from').length === 4")
    until(page, SETTLED)


@pytest.fixture
def page(visit, edits):
    return visit((edits.root / "compare.html").as_uri(), height=1500)


def opened(page, prompt):
    page.locator(".row", has_text=prompt).locator(".cell").first.click()
    page.wait_for_selector("dialog.zoom[open] .focused img")


def test_what_was_edited_is_the_first_column_of_a_row(page):
    until(page, "document.querySelectorAll('.origin img').length === 2")
    for prompt in ("by day", "by night"):
        row = page.locator(".row", has_text=prompt)
        origin, first = row.locator(".origin").bounding_box(), row.locator(".cell").first.bounding_box()
        assert origin["x"] + origin["width"] <= first["x"]
        assert origin["width"] == first["width"]
    assert page.locator(".row", has_text="from words").locator(".origin").count() == 0
    assert page.locator(".corner em").inner_text() == "edited picture"


@pytest.mark.parametrize(("prompt", "count"), [("by day", 1), ("by night", 2)])
def test_a_row_shows_what_was_edited_before_what_came_of_it(page, prompt, count):
    opened(page, prompt)
    page.wait_for_selector(".pane.source img")
    assert (
        page.locator(".pane").evaluate_all("all => all.map(one => one.matches('.source'))")
        == [True] * count + [False] * 2
    )
    until(page, SETTLED)


def test_a_picture_from_words_has_nothing_beside_it(page):
    opened(page, "from words")
    until(page, SETTLED)
    assert page.locator(".pane.source").count() == 0


def test_the_slider_is_held_against_what_was_edited_unless_another_is_chosen(page):
    opened(page, "by day")
    page.wait_for_selector(".pane.source img")
    page.keyboard.press("2")
    page.wait_for_selector(".under img[alt='the picture that was edited']")
    assert page.locator(".pane figcaption").inner_text() == "edited picture | maker/one"
    page.locator(".modes select").select_option(label="maker/two")
    assert page.locator(".pane figcaption").inner_text() == "maker/two | maker/one"


def test_the_request_as_yaml_names_what_was_edited(page):
    opened(page, "by night")
    assert 'image: ["1.jpg","2.jpg"]' in page.evaluate("request.yaml(2)")


def test_voters_see_what_was_edited(page):
    page.locator("[type=search]").fill("by night")
    until(page, "document.querySelectorAll('.rowhead').length === 1")
    page.locator(".grid").focus()
    page.keyboard.press("v")
    page.wait_for_selector("dialog.vote .edited img")
    assert page.locator("dialog.vote .edited img").count() == 2
    until(page, SETTLED)


def test_the_server_gives_copies_and_nothing_else_of_their_folder(edits):
    from tests.compare.test_serving import ask

    (edits.inputs / "notes.txt").write_text("mine")
    link = edits.inputs / f"{'0' * 64}.png"
    link.symlink_to(edits.ledger)
    name = next(path.name for path in sorted(edits.inputs.glob("*.jpg")))
    with served(edits.root) as url:
        found = ask(url, f"/inputs/{name}")
        assert (found.status, found.headers["content-type"]) == (200, "image/jpeg")
        assert found.body == (edits.inputs / name).read_bytes()
        for other in ("notes.txt", link.name, "..%2fmetadata.jsonl", f"{'1' * 64}.png", ""):
            assert ask(url, f"/inputs/{other}").status == 404
