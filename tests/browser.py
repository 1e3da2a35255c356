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


class SharedPage:
    """A page that one test after the other is given, for a new one costs more than most of the tests."""

    def __init__(self, browser):
        self._context = browser.new_context()
        self._page = None

    def fresh(self, origin):
        """The page with nothing in it of the test before; nor is anything stored for ``origin``."""
        for page in self._context.pages:
            if page is not self._page:
                page.close()
        if self._page is None or self._page.is_closed():
            self._page = listened_to(self._context.new_page())
        self._page.goto("about:blank")
        self._page.emulate_media(media="null")
        tools = self._context.new_cdp_session(self._page)
        tools.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
        tools.detach()
        self._page.asked, self._page.complaints = [], []
        return self._page

    def close(self):
        self._context.close()


@pytest.fixture(scope="module")
def shared_page(browser):
    shared = SharedPage(browser)
    yield shared
    shared.close()


def listened_to(page):
    """``page.asked`` lists every request from here on, ``page.complaints`` what the console said."""
    page.set_default_timeout(10_000)
    page.asked, page.complaints = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda message: message.type == "error" and page.complaints.append(message.text))
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    return page


@pytest.fixture
def visit(browser, shared_page):
    """Opens an address in a browser that remembers nothing, and gives its page once ``wait`` is there.

    Any complaint of the console fails the test. Further pages of a test, and those with options, have a browser's
    context of their own.
    """
    contexts, pages = [], []

    def open_page(url, *, width=1280, height=800, wait=".cell", complains=False, **options):
        viewport = {"width": width, "height": height}
        if options or pages or contexts:
            contexts.append(browser.new_context(viewport=viewport, **options))
            page = listened_to(contexts[-1].new_page())
        else:
            page = shared_page.fresh("file://" if url.startswith("file:") else url)
            page.set_viewport_size(viewport)
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
