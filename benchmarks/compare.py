"""The compare page with 10,000 cells in a real browser: how fast, how many elements, and what it asks for.

python benchmarks/compare.py [PROMPTS [MODELS]]
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))

from batchgen.compare.writing import write_page
from tests.compare import folders
from tests.compare.conftest import CHROMIUM, until

# Every cell in sight shows its picture.
IN_SIGHT = """(cells => cells.length > 0 && cells.every(cell => cell.querySelector("img")?.naturalWidth))(
    [...document.querySelectorAll(".cell")])"""
# The third shows more than twenty pictures at once.
SCREENS = ((390, 844), (1280, 800), (1280, 1600), (1920, 1080), (3840, 2160))


def main(prompts=2_000, models=5):
    place = Path(tempfile.mkdtemp(prefix="batchgen-compare-"))
    try:
        measure(place / "run", prompts, models)
    finally:
        shutil.rmtree(place)


def measure(root, prompts, models):
    folder = timed("run folder made", lambda: folders.sweep(root, prompts=prompts, models=models))
    timed("page written, all thumbnails new", lambda: write_page(folder))
    timed("page written again", lambda: write_page(folder))
    scripts = sum(file.stat().st_size for file in (root / "compare").glob("*.js"))
    rows = sum(file.stat().st_size for file in (root / "compare").glob("rows-*.js"))
    print(f"{prompts * models:,} cells: {rows / 1e3:,.0f} kB before the first picture, {scripts / 1e3:,.0f} kB in all")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for width, height in SCREENS:
            visit(browser.new_page(viewport={"width": width, "height": height}), root)


def visit(page, root):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    began = time.monotonic()
    page.goto((root / "compare.html").as_uri())
    until(page, IN_SIGHT)
    first_s = time.monotonic() - began
    most = page.evaluate("document.querySelectorAll('*').length")
    cells = page.locator(".cell").count()
    began = time.monotonic()
    for part in range(1, 101):
        page.evaluate(
            "part => { const g = document.querySelector('.grid'); g.scrollTop = g.scrollHeight * part / 100; }", part
        )
        page.wait_for_timeout(20)
        most = max(most, page.evaluate("document.querySelectorAll('*').length"))
    through_s = time.monotonic() - began
    began = time.monotonic()
    page.keyboard.press("x")
    until(page, "document.querySelector('.grid').getAttribute('aria-colcount') > 100")
    swap_s = time.monotonic() - began
    outside = [url for url in asked if not url.startswith(root.as_uri() + "/")]
    print(f"{page.viewport_size['width']} px: the first {cells} pictures {first_s:.2f} s, at most {most} elements,")
    print(f"    through it all in {through_s:.1f} s, axes swapped in {swap_s:.2f} s,")
    print(f"    {len(asked):,} requests, {len(outside)} outside the folder")
    page.close()


def timed(what, work):
    began = time.monotonic()
    result = work()
    print(f"{what}: {time.monotonic() - began:.1f} s")
    return result


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
