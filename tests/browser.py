"""A real browser, one for each module, and pages in it that may not complain."""

import shutil
import time

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

# Every picture in sight is there.
SETTLED = "document.images.length > 0 && [...document.images].every(one => one.complete && one.naturalWidth)"


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("no chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # The sandbox needs a user other than root.
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def visit(browser):
    """Opens an address in a browser that remembers nothing, and gives its page once ``wait`` is there.

    ``page.asked`` lists every request, ``page.complaints`` what the console said. Any complaint fails the test.
    """
    contexts, pages = [], []

    def open_page(url, *, width=1280, height=800, wait=".cell", complains=False, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        page.asked, page.complaints = [], []
        page.on("request", lambda request: page.asked.append(request.url))
        page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(url)
        page.wait_for_selector(wait)
        if not complains:
            pages.append(page)
        return page

    yield open_page
    complaints = [page.complaints for page in pages]
    for context in contexts:
        context.close()
    assert complaints == [[] for _ in pages]


def until(page, expression, *, timeout_s=20):
    """Waits until ``expression`` is true in the page, whose policy forbids Playwright's own way of asking."""
    give_up = time.monotonic() + timeout_s
    while not page.evaluate(expression):
        assert time.monotonic() < give_up, f"never true: {expression}"
        page.wait_for_timeout(30)


def violations(page):
    """What axe finds: the rule and the element, every impact and every rule but those of its own experiments."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"preload": False}).response["violations"]
    return [(one["id"], node["html"][:200]) for one in found for node in one["nodes"]]
