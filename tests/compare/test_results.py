"""What the votes say, on the page: from disk as of its writing, from a server as of now."""

import json

import pytest

from batchgen.compare import votes
from batchgen.compare.claims import verdict
from batchgen.compare.leaderboard import read_leaderboard
from batchgen.compare.writing import write_page
from batchgen.report import write_report
from tests.browser import until, violations
from tests.compare import folders
from tests.compare.conftest import served

NAMES = [f"maker/model-{number}" for number in range(3)]
PROMPTS = 24


def line(number, a, b, winner="a", **more):
    prompt = f"prompt {number:05d}: a stoneware mug"
    item = json.dumps({"prompt": prompt}, separators=(",", ":"))
    return {"item": item, "a": a, "b": b, "winner": winner, "voter": "ann", "ts": number, **more}


def cast(root, *lines):
    (root / votes.FILE).write_text("".join(json.dumps(one) + "\n" for one in lines), encoding="utf-8")


@pytest.fixture(scope="module")
def voted(tmp_path_factory):
    """The dearest is told apart from the cheapest, and not from the second; five votes on too few prompts elsewhere."""
    folder = folders.sweep(tmp_path_factory.mktemp("run") / "voted", prompts=PROMPTS, models=3)
    dear, middle, cheap = NAMES[::-1]
    lines = []
    for number in range(PROMPTS):
        lines += [
            line(number, dear, cheap, "b" if number % 8 == 0 else "a", ts=3 * number),
            line(number, middle, cheap, "b" if number % 6 == 0 else "a", ts=3 * number + 1),
            line(number, dear, middle, "a" if number % 2 else "b", ts=3 * number + 2),
        ]
    cast(folder.root, *lines)
    write_page(folder)
    return folder


@pytest.fixture
def page(visit, voted):
    return visit((voted.root / "compare.html").as_uri())


def opened(page):
    page.keyboard.press("r")
    page.wait_for_selector("dialog.results .verdict")
    return page.locator("dialog.results")


def test_the_page_says_the_sentence_of_rank(page, voted):
    said = verdict(read_leaderboard(voted, votes.read(voted.root)))
    assert opened(page).locator(".verdict").inner_text() == said
    assert said.startswith("maker/model-1, at $0.02 a picture, is the cheapest that is not shown to be worse")


def test_it_has_rating_with_interval_price_and_time_for_each(page):
    results = opened(page)
    heads = results.locator("thead").first.locator("th").all_inner_texts()
    assert heads == ["model", "rank", "rating", "95 %", "votes", "wins", "a picture", "p50", "a win"]
    rows = {row.split("\t")[0]: row.split("\t") for row in results.locator("tbody").first.inner_text().split("\n")}
    assert [rows[name][6:8] for name in NAMES] == [["$0.01", "1.0 s"], ["$0.02", "2.0 s"], ["$0.03", "3.0 s"]]
    assert all("–" in rows[name][3] for name in NAMES)
    assert results.locator(".basis").first.inner_text() == f"{3 * PROMPTS} votes by 1 voter on {PROMPTS} prompts"


def test_the_chart_has_a_point_for_each_higher_if_rated_higher_and_to_the_right_if_dearer(page):
    results = opened(page)
    points = results.locator(".point").evaluate_all(
        """all => all.map((one) => [one.textContent, Number(one.querySelector("circle").getAttribute("cx")),
            Number(one.querySelector("circle").getAttribute("cy")),
            ["y1", "y2"].map((end) => Number(one.querySelector("line").getAttribute(end)))])"""
    )
    assert [name for name, *_ in sorted(points, key=lambda point: point[1])] == ["model-0", "model-1", "model-2"]
    by_name = {name: y for name, _, y, _ in points}
    assert by_name["model-0"] > max(by_name["model-1"], by_name["model-2"])
    assert all(top < y < bottom for _, _, y, (top, bottom) in points)


def test_it_is_broken_down_by_the_columns_of_few_values(page):
    results = opened(page)
    assert results.locator("h3").all_inner_texts() == ["By category"]
    found = {text.split()[0] for text in results.locator("h4").all_inner_texts()}
    assert found == {"kitchen", "garden", "street"}


def test_whoever_votes_is_told_how_many_votes_are_missing_and_no_names(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=9, models=2)
    cast(folder.root, *(line(number, *NAMES[:2]) for number in range(5)))
    write_page(folder)
    page = visit((folder.root / "compare.html").as_uri())
    until(page, "results.isThere()")
    page.keyboard.press("v")
    page.wait_for_selector("dialog.vote .choice img")
    said = page.locator("dialog.vote header p").get_attribute("data-missing")
    assert said == "a result takes votes on 3 more prompts"


def test_enough_votes_say_about_how_many_more_tell_the_first_two_apart(page, voted):
    more = read_leaderboard(voted, votes.read(voted.root)).ranking.more
    until(page, "results.isThere()")
    page.keyboard.press("v")
    said = page.locator("dialog.vote header p").get_attribute("data-missing")
    assert said == (f"about {more.votes:,} more tell the first two apart" if more else "")


def test_without_a_vote_there_is_no_such_button(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=2, models=2)
    write_page(folder)
    page = visit((folder.root / "compare.html").as_uri())
    assert not page.get_by_role("button", name="Results").is_visible()
    page.keyboard.press("v")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Results").click()
    assert "1 vote of this browser is not counted yet" in page.locator("dialog.results").inner_text()


def test_votes_of_this_browser_are_said_not_to_be_counted_yet_and_those_of_the_folder_are_not(page):
    page.keyboard.press("v")
    for key in ("ArrowLeft", "t", "s", "u"):
        page.keyboard.press(key)
    page.keyboard.press("Escape")
    assert "2 votes of this browser are not counted yet" in opened(page).inner_text()


def test_a_link_opens_the_results(visit, voted):
    page = visit(f"{(voted.root / 'compare.html').as_uri()}#results=1", wait=".verdict")
    page.keyboard.press("Escape")
    until(page, "!location.hash.includes('results')")
    page.keyboard.press("r")
    assert "results=1" in page.url


def test_the_report_is_a_link_if_there_is_one(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=2, models=2)
    write_page(folder)
    page = visit((folder.root / "compare.html").as_uri())
    assert not page.get_by_role("link", name="Report").is_visible()
    write_report(folder)
    write_page(folder)
    page.reload()
    page.get_by_role("link", name="Report").click()
    assert page.url == (folder.root / "report.html").as_uri()
    page.get_by_role("link", name="All pictures side by side").click()
    assert page.url.startswith((folder.root / "compare.html").as_uri())


def test_a_server_counts_a_vote_at_once(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=9, models=2)
    cast(folder.root, *(line(number, *NAMES[:2]) for number in range(7)))
    with served(folder.root) as url:
        page = visit(url)
        until(page, "document.querySelector('.deciding').checkVisibility()")
        assert "votes on 1 more prompt are needed" in opened(page).locator(".verdict").inner_text()
        page.get_by_role("button", name="Vote").last.click()
        for _ in range(9):
            page.keyboard.press("t")
        until(page, "document.querySelector('dialog.vote .empty h2')")
        until(page, "fetch('votes').then((answer) => answer.json()).then((all) => all.length === 16)")
        page.keyboard.press("Escape")
        results = opened(page)
        until(page, "!document.querySelector('.verdict').textContent.includes('Too early')")
        assert results.locator(".waiting").count() == 0


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_assistive_technology(visit, voted, scheme, width):
    page = visit((voted.root / "compare.html").as_uri(), color_scheme=scheme, width=width, bypass_csp=True)
    results = opened(page)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") == width
    cut = "[...document.querySelectorAll('.results .wide')].some((one) => one.scrollWidth > one.clientWidth)"
    assert width == 390 or not page.evaluate(cut)
    assert results.is_visible()
