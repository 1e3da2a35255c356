"""Two run folders side by side: last week's and today's."""

import pytest

from batchgen.compare.versions import base_of, folder_names, shared_requests
from batchgen.compare.writing import write_page, write_versions
from batchgen.store.folder.run_folder import RunFolder
from tests.browser import SETTLED, until, violations
from tests.compare import folders
from tests.program import run_here

MODELS = ("maker/one", "maker/two")
PROMPTS = ("a mug", "a kettle", "an owl")


def filled(root, prompts, **parameters):
    """A folder with a picture of each prompt by each model."""
    with folders.building(root) as made:
        for prompt in prompts:
            for model in MODELS:
                request = made.request(prompt, model=model, axes={"model": model}, **parameters)
                made.store(request, content=folders.picture(f"{root.name} {prompt} {model}"))
        made.end()
    return RunFolder(root)


@pytest.fixture(scope="module")
def weeks(tmp_path_factory):
    """Today another quality is asked for, one prompt was changed, and one is new."""
    root = tmp_path_factory.mktemp("weeks")
    before = filled(root / "last week", PROMPTS, quality="low")
    after = filled(root / "today", ("a mug", "a large kettle", "an owl", "a fox"), quality="high")
    write_versions((before, after))
    return before, after


@pytest.fixture
def address(weeks):
    return (weeks[0].root / "compare-with-today.html").as_uri()


@pytest.fixture
def page(visit, address):
    return visit(address, height=1500)


def test_the_versions_of_each_request_stand_side_by_side_below_each_model(page):
    assert page.locator(".group").all_inner_texts() == list(MODELS)
    assert page.locator(".colhead b").all_inner_texts() == ["last week", "today"] * 2
    assert page.locator(".rowhead p").all_inner_texts() == ["a mug", "a kettle\n→ a large kettle", "an owl", "a fox"]
    shown = page.locator(".row:has(.rowhead)").evaluate_all(
        "all => all.map((row) => [...row.querySelectorAll('.cell')].map((one) => one.matches('.missing')))"
    )
    assert shown == [[False] * 4] * 3 + [[True, False, True, False]]


def test_every_picture_is_there_and_of_its_own_folder(page, weeks):
    until(page, SETTLED)
    page.keyboard.press("Enter")
    until(page, SETTLED)
    files = page.locator(".pane img").evaluate_all("all => all.map((one) => decodeURI(one.src))")
    before, after = (folder.root.as_uri().replace("%20", " ") for folder in weeks)
    assert [file.rpartition("/images/")[0] for file in files] == [before, after] * 2
    page.keyboard.press("2")
    assert page.locator(".pane figcaption").inner_text() == "today | last week"


def test_changed_pictures_of_one_prompt_are_voted_on_and_a_changed_prompt_is_not(page):
    page.keyboard.press("v")
    for _ in range(12):
        page.keyboard.press("t")
    cast = page.evaluate(
        "ballot.standing('folder').map((vote) => [JSON.parse(vote.item).prompt, vote.a, vote.b].sort())"
    )
    assert sorted({one for line in cast for one in line}) == ["a mug", "an owl", "last week", "today"]
    assert len(cast) == 4


def test_the_page_of_the_folder_itself_is_another_and_stays(visit, weeks):
    before, _ = weeks
    write_page(before)
    write_versions(weeks)
    page = visit((before.root / "compare.html").as_uri())
    assert page.locator(".colhead b").all_inner_texts() == list(MODELS)
    page.goto((before.root / "compare-with-today.html").as_uri())
    page.wait_for_selector(".group")


def test_axes_can_be_chosen_as_on_any_page(page):
    page.get_by_label("Over columns").select_option("")
    page.get_by_label("Columns", exact=True).select_option("model")
    assert page.locator(".colhead b").all_inner_texts() == list(MODELS)
    assert page.get_by_role("radio").all_inner_texts() == ["last week", "today"]


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_stands_in_the_way_of_assistive_technology(visit, address, width):
    page = visit(address, width=width, bypass_csp=True)
    until(page, SETTLED)
    assert violations(page) == []


def test_folders_of_one_name_are_told_apart_by_their_paths(tmp_path):
    places = [tmp_path / week / "icons" for week in ("week 1", "week 2")]
    assert folder_names(places) == ("week 1/icons", "week 2/icons")
    assert base_of(places[1], places[0]) == "../../week 2/icons/"
    assert base_of(places[0], places[0]) == ""


def test_several_prompts_of_one_row_are_no_versions_of_each_other():
    class Made:
        def __init__(self, prompt, row, **axes):
            self.words, self.row, self.axes = {"prompt": prompt}, row, axes

    first = [Made("a", 1), Made("b", 1), Made("ink owl", 2, look="ink"), Made("oil owl", 2, look="oil")]
    second = [Made("c", 1), Made("pen owl", 2, look="ink"), Made("wax owl", 2, look="oil")]
    assert shared_requests([first, second]) == (
        ("a", "b", "ink owl\n→ pen owl", "oil owl\n→ wax owl"),
        ("c", "ink owl\n→ pen owl", "oil owl\n→ wax owl"),
    )


def test_the_program_writes_the_page_into_the_first_folder(tmp_path):
    filled(tmp_path / "before", PROMPTS[:1])
    filled(tmp_path / "after", PROMPTS[:2])
    done = run_here(tmp_path, "compare", "before", "after")
    assert (done.returncode, done.stdout) == (0, "before/compare-with-after.html\n")
    assert "written: 6 cells" in done.stderr
    assert not (tmp_path / "after/compare.html").exists()
    done = run_here(tmp_path, "verify", "before")
    assert "compare-with" not in done.stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["before", "before"], "are one folder"),
        (["before", "nowhere"], "nowhere"),
        (["before", "before", "before"], "two can stand side by side"),
        (["before", "after", "--serve"], "--serve shows one folder"),
    ],
)
def test_mistakes_are_said_in_a_line_and_nothing_is_written(tmp_path, words, said):
    filled(tmp_path / "before", PROMPTS[:1])
    done = run_here(tmp_path, "compare", *words)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "before").glob("compare*"))
