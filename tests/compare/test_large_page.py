"""Ten thousand cells in a real browser: only what is in sight has elements, and only that is asked for."""

import pytest

from batchgen.compare.writing import write_page
from tests.compare import folders
from tests.compare.conftest import SETTLED, until

PROMPTS, MODELS = 2_000, 5
ELEMENTS = "document.querySelectorAll('*').length"


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    folder = folders.sweep(tmp_path_factory.mktemp("run") / "large", prompts=PROMPTS, models=MODELS, different=100)
    write_page(folder)
    return (folder.root / "compare.html").as_uri()


def scroll(page, part):
    page.evaluate("part => { const g = document.querySelector('.grid'); g.scrollTop = g.scrollHeight * part; }", part)


def test_ten_thousand_cells_are_scrolled_through_with_few_elements(visit, address):
    page = visit(address)
    most = page.evaluate(ELEMENTS)
    for step in range(21):
        scroll(page, step / 20)
        page.wait_for_timeout(20)
        most = max(most, page.evaluate(ELEMENTS))
    page.wait_for_selector("text=prompt 01999")
    until(page, SETTLED)

    assert page.locator(".counts").inner_text() == "10,000 cells · 2,000 rows"
    assert most < 300
    assert page.locator(".grid").get_attribute("aria-rowcount") == "2001"
    assert {url.rpartition("/")[0] for url in page.asked if url.endswith(".png")} == set()


@pytest.mark.parametrize("size", ["s", "m", "l"])
@pytest.mark.parametrize(("width", "height"), [(390, 844), (1920, 1080), (3840, 2160)])
def test_no_screen_takes_more_than_300_elements(visit, address, width, height, size):
    page = visit(f"{address}#size={size}&x=prompt&y=model", width=width, height=height)
    assert page.evaluate(ELEMENTS) < 300
    page.keyboard.press("x")
    assert page.evaluate(ELEMENTS) < 300


def test_swapped_axes_scroll_sideways(visit, address):
    page = visit(address)
    page.keyboard.press("x")
    page.keyboard.press("End")
    page.wait_for_selector("text=prompt 01999")

    assert page.locator(".grid").get_attribute("aria-colcount") == "2001"
    assert page.locator(".grid").get_attribute("aria-activedescendant") == "c0-1999"


def test_the_keyboard_reaches_the_last_cell(visit, address):
    page = visit(address)
    page.keyboard.press("Control+End")
    page.wait_for_selector("#c1999-4.active img")
    page.keyboard.press("Enter")
    assert page.locator(".which p").inner_text() == "row 2,000 of 2,000"


def test_a_search_finds_one_of_two_thousand(visit, address):
    page = visit(address)
    page.keyboard.press("/")
    page.keyboard.type("01234")
    page.wait_for_selector("text=prompt 01234")
    assert page.locator(".counts").inner_text().startswith("5 of 10,000 cells")


def test_a_canvas_longer_than_browsers_allow_still_shows_every_row(visit, address):
    page = visit(address)
    # As many rows as a hundred times this folder has, of the same cells.
    page.evaluate(
        """{
            const layout = view.layout(app.state());
            layout.rows = Array.from({ length: 200_000 }, (_, number) => layout.rows[number % 2_000]);
            grid.show(layout, app.state(), false);
        }"""
    )
    page.keyboard.press("Control+End")
    page.wait_for_selector("#c199999-4.active")
    box = page.locator("#c199999-4").bounding_box()
    assert 0 < box["y"] < 800
    assert page.evaluate("document.querySelector('.canvas').offsetHeight") < 16_000_000
