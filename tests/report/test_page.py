"""report.html in a real browser, opened from disk."""

import io

import pytest
from PIL import Image

from batchgen.report import write_report
from batchgen.request import State
from batchgen.store.ledger import transitions
from batchgen.store.looks.update import look_at_new
from tests import ledgers
from tests.browser import browser, shared_page, violations, visit

__all__ = ["browser", "shared_page", "visit"]

HOSTILE = '</script><script>window.ran=1</script><img src=x onerror="window.ran=1"> \u202eevil {{ 7 * 7 }}'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three models, one with a hostile name; failures, doubts, flags, two runs, an axis."""
    with ledgers.build(tmp_path_factory.mktemp("run") / "mugs") as ledger:
        ledger.begin()
        for number in range(12):
            model = ("maker/one", "maker/two", f"maker/{HOSTILE}")[number % 3]
            request = ledger.request(
                f"mug {number} {HOSTILE}", model=model, axes={"model": model, "look": ("ink", "oil")[number % 2]}
            )
            store(ledger, request, number, billed=10_000 * (1 + number % 3))
        ledger.end(3, HOSTILE)
        ledger.now_ms += 3_600_000
        ledger.begin()
        ledger.fail(ledger.request(HOSTILE, model="maker/one"), reason="moderation", message=HOSTILE)
        for number in range(3):
            lost = ledger.request(f"lost {number}", model="maker/two")
            ledger.fail(lost, State.DOUBT, reason="deadline", message="no answer", status=None, maybe_microusd=45_000)
        ledger.end(4)
        look_at_new(ledger.folder)
        write_report(ledger.folder)
        return ledger.folder


def store(ledger, request, number, **money):
    ticket = ledger.send(request)
    ledger.answer(ticket, transitions.Bill(money["billed"], 0, None), latency_ms=1_000 * (1 + number * 7 % 12))
    stream = io.BytesIO()
    # The first two show nothing; the others differ.
    Image.linear_gradient("L").rotate(30 * number).resize((64, 48 + number)).save(stream, "PNG")
    content = stream.getvalue() if number > 1 else ledgers.picture_bytes(number * 40)
    ledger.show(ticket, [ledgers.at_rest(ledger.folder, request.key, content)])


@pytest.fixture
def opened(visit, folder):
    """Opens the report; whatever the console complains of fails the test."""

    def open_page(**options):
        return visit((folder.root / "report.html").as_uri(), wait="footer", **{"height": 900, **options})

    return open_page


def column(page, number):
    cells = page.locator("[aria-labelledby=models] table").first.locator(f"tbody tr > :nth-child({number})")
    return cells.all_inner_texts()


def head(page, name):
    return page.locator("[aria-labelledby=models] table").first.get_by_role("button", name=name, exact=True)


def test_a_column_of_figures_is_sorted_by_what_they_are_worth_highest_first_then_lowest(opened):
    page = opened()
    head(page, "billed").click()
    falling = column(page, 7)
    assert falling == ["$0.12", "$0.08", "$0.04"]
    assert page.locator("th[aria-sort=descending]").inner_text() == "billed"
    head(page, "billed").click()
    assert column(page, 7) == falling[::-1]
    assert page.locator("th[aria-sort]").count() == 1


def test_a_column_of_names_is_sorted_from_a_to_z_with_the_keyboard_too(opened):
    page = opened()
    head(page, "model").focus()
    page.keyboard.press("Enter")
    names = column(page, 1)
    assert names == sorted(names, key=str.lower)
    page.keyboard.press("Enter")
    assert column(page, 1) == names[::-1]


def test_what_is_unknown_comes_last_either_way(opened):
    page = opened()
    spent = page.locator("[aria-label='models, times'] table")
    spent.get_by_role("button", name="p50", exact=True).first.click()
    first = spent.locator("tbody tr > :nth-child(2)").all_inner_texts()
    assert first[0] != "–"


def test_nothing_is_asked_for_outside_the_folder_and_no_foreign_text_runs(opened, folder):
    page = opened()
    root = folder.root.as_uri()
    assert page.asked
    assert all(url.startswith(root) for url in page.asked)
    assert page.evaluate("window.ran") is None
    assert page.locator("img[src=x]").count() == 0
    assert "<script>window.ran=1</script>" in page.locator("body").inner_text()


def test_the_policy_lets_no_other_script_run(browser, folder, tmp_path):
    text = (folder.root / "report.html").read_text(encoding="utf-8")
    altered = tmp_path / "altered.html"
    altered.write_text(text.replace("</main>", "</main><script>window.ran = 1</script>"), encoding="utf-8")
    page = browser.new_page()
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(altered.as_uri())
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in said)
    page.close()


def test_everything_is_there_without_scripts(opened):
    page = opened(java_script_enabled=False)
    assert page.locator("th", has_text="billed").first.is_visible()
    assert page.locator("code.copy", has_text="batchgen adopt").count() == 4


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_the_page_never_scrolls_sideways(opened, width):
    page = opened(width=width)
    assert page.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [1280, 1920])
def test_no_table_of_this_page_is_cut_off_on_a_screen(opened, width):
    page = opened(width=width)
    cut = """[...document.querySelectorAll(".scroll")].filter((one) => one.scrollWidth > one.clientWidth)
        .map((one) => one.getAttribute("aria-label"))"""
    assert page.evaluate(cut) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_axe_finds_nothing(opened, scheme, width):
    page = opened(color_scheme=scheme, width=width, bypass_csp=True)
    assert violations(page) == []


def test_each_request_in_doubt_has_its_own_command_which_is_copied_whole(opened, folder):
    page = opened(permissions=["clipboard-read", "clipboard-write"])
    first = page.locator("td code.copy").first
    first.locator("xpath=following-sibling::button").click()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied == first.inner_text()
    assert copied.startswith(f"batchgen adopt {folder.root} ")


def test_flags_are_shown_with_their_pictures_and_the_slowest_lead_to_theirs(opened):
    page = opened()
    assert "2 blank" in page.locator(".counts").inner_text()
    first = page.locator(".flagged img").first
    first.scroll_into_view_if_needed()
    assert first.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
    slowest = page.get_by_role("group", name="The slowest")
    figures = slowest.locator("tbody td:nth-child(2)").all_inner_texts()
    assert figures[0] == "12.0 s"
    assert len(figures) == 10
    assert slowest.locator("tbody a").first.get_attribute("href").startswith("./images/")


def test_on_paper_no_table_is_cut_off(opened):
    page = opened(width=794)
    page.emulate_media(media="print")
    assert page.locator("main").evaluate("main => main.scrollWidth <= main.clientWidth")
    assert not page.locator(".copies").first.is_visible()
    assert page.pdf(format="A4").startswith(b"%PDF")
