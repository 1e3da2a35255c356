"""A real browser, one for each module, and the program as a process."""

import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PROGRAM = Path(sys.executable).with_name("batchgen")

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
    """Opens an address in a browser that remembers nothing, and gives its page once the grid is there.

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


@contextmanager
def served(folder, *words):
    """``batchgen compare FOLDER --serve`` as a process; gives its URL and ends it with Ctrl-C."""
    process = subprocess.Popen(
        [PROGRAM, "compare", str(folder), "--serve", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    try:
        url = process.stdout.readline().strip()
        assert url, process.stderr.read()
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 0, said
    assert "Traceback" not in said
