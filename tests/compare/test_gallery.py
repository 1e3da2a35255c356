"""Pictures of one column, or of a row that is too wide for the screen, fill the screen side by side."""

import pytest

from batchgen.compare.writing import write_page
from tests.browser import SETTLED, until, violations
from tests.compare import folders

PICTURES = 300
IN_SIGHT = """[...document.querySelectorAll(".cell")].map((one) => one.getBoundingClientRect())
    .filter((box) => box.top > 0 && box.bottom <= innerHeight && box.right <= innerWidth).length"""


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = folders.sweep(tmp_path_factory.mktemp("run") / "dataset", prompts=PICTURES, models=1, different=40)
    write_page(folder)
    return (folder.root / "compare.html").as_uri()


@pytest.mark.parametrize(
    ("width", "height", "size", "least"),
    [(1280, 800, "m", 24), (1280, 800, "s", 48), (1280, 800, "l", 4), (1920, 1080, "m", 48), (390, 844, "m", 9)],
)
def test_a_screen_shows_many_pictures_and_ends_where_they_end(visit, address, width, height, size, least):
    page = visit(f"{address}#size={size}", width=width, height=height)
    assert page.evaluate(IN_SIGHT) >= least
    rightmost = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.cell')].map((one) => one.getBoundingClientRect().right))"
    )
    assert width - 40 < rightmost <= width
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_each_picture_says_what_tells_it_from_the_others(visit, address):
    page = visit(address)
    first, *_ = page.locator(".cell").evaluate_all("all => all.map((one) => one.dataset.line)")
    assert first == "prompt 00000: a stoneware mug\n$0.01 · 1.0 s"
    assert page.locator(".gallery .title b").inner_text() == "maker/model-0"
    assert "$0.01 · 1.0 s · 100 %" in page.locator(".gallery .title").inner_text().replace("\u00a0", " ")


def test_arrows_go_from_one_line_to_the_next_and_to_the_last_picture(visit, address):
    page = visit(address)
    slots = int(page.locator(".grid").get_attribute("aria-colcount"))
    for _ in range(slots):
        page.keyboard.press("ArrowRight")
    assert page.locator(".grid").get_attribute("aria-activedescendant") == "c1-0"
    page.keyboard.press("ArrowLeft")
    assert page.locator(".grid").get_attribute("aria-activedescendant") == f"c0-{slots - 1}"
    page.keyboard.press("Control+End")
    page.keyboard.press("ArrowRight")
    last = PICTURES - 1
    assert page.locator(".grid").get_attribute("aria-activedescendant") == f"c{last // slots}-{last % slots}"
    page.keyboard.press("Enter")
    assert page.locator(".which p").inner_text() == f"row {PICTURES} of {PICTURES}"
    page.keyboard.press("ArrowLeft")
    assert page.locator(".which p").inner_text() == f"row {PICTURES - 1} of {PICTURES}"


def test_swapped_axes_wrap_as_well(visit, address):
    page = visit(address)
    page.keyboard.press("x")
    assert page.evaluate(IN_SIGHT) >= 24
    page.keyboard.press("Control+End")
    page.keyboard.press("Enter")
    assert page.locator(".pane.focused figcaption").inner_text() == "prompt 00299: a stoneware mug"


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (1920, 1080)])
def test_the_cells_of_a_table_use_the_width_and_leave_room_for_two_rows(visit, tmp_path, width, height):
    folder = folders.sweep(tmp_path / "run", prompts=6, models=4)
    write_page(folder)
    page = visit((folder.root / "compare.html").as_uri(), width=width, height=height)
    last = page.locator("#c0-3").bounding_box()
    assert width - last["x"] - last["width"] < 40
    second = page.locator("#c1-0").bounding_box()
    assert second["y"] + second["width"] <= height


def test_a_filter_that_leaves_one_model_makes_a_gallery_and_none_makes_a_table(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=30, models=2)
    write_page(folder)
    page = visit((folder.root / "compare.html").as_uri())
    assert page.locator(".gallery").count() == 0
    page.keyboard.press("f")
    page.get_by_label("maker/model-1").check()
    assert page.locator(".gallery .cell").count() >= 24
    page.get_by_label("maker/model-1").uncheck()
    assert page.locator(".gallery").count() == 0


@pytest.mark.parametrize("keys", [["v"], ["x", "v"]])
def test_pictures_of_different_prompts_are_never_voted_on(visit, address, keys):
    page = visit(address)
    for key in (*keys, "ArrowLeft", "t", "1", "b"):
        page.keyboard.press(key)
    assert page.get_by_role("heading", name="There is nothing to compare here").is_visible()
    assert page.evaluate("ballot.exported()") == ""
    assert page.locator(".voting.primary").count() == 0


@pytest.mark.parametrize("size", ["s", "m", "l"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1920, 1080), (3840, 2160)])
def test_no_screen_takes_more_than_400_elements(visit, address, width, height, size):
    page = visit(f"{address}#size={size}", width=width, height=height)
    until(page, SETTLED)
    assert page.evaluate("document.querySelectorAll('*').length") < 400


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_assistive_technology(visit, address, scheme, width):
    page = visit(address, color_scheme=scheme, width=width, bypass_csp=True)
    until(page, SETTLED)
    assert violations(page) == []
