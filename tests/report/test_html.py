"""report.html shows foreign text and nothing in it loads or runs."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import msgspec
import pytest

from batchgen.report import write_report
from batchgen.report.html import address, script
from batchgen.request import State

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\u202egnp.exe \x1b[31m \x00 \u2066",
    "--><!-- &lt;b&gt; ]]>",
]


class Page(HTMLParser):
    """Collects what a browser would load or run, and the text it would show."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.tags, self.attributes, self.text, self.scripts = set(), [], "", []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]

    def handle_data(self, data):
        if self.cdata_elem == "script":
            self.scripts.append(data)
        elif self.cdata_elem != "style":
            self.text += data

    def values(self, wanted):
        return [value for _, name, value in self.attributes if name == wanted]


def page(ledger):
    write_report(ledger.folder)
    return Page((ledger.folder.root / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(params=HOSTILE)
def hostile(request, ledger):
    text = request.param
    ledger.begin(manifest=text)
    ledger.store(ledger.request(text, model=text, axes={text: text}, columns={text: text}))
    ledger.store(ledger.request(text, axes={text: "other"}))
    ledger.fail(ledger.request(f"{text} refused", model=text), reason=text, message=text)
    doubt = msgspec.structs.replace(ledger.request(f"{text} lost"), model=text)
    ledger.fail(doubt, State.DOUBT, reason=text, message=text, status=None, maybe_microusd=1)
    ledger.end(3, text)
    return text, page(ledger)


def test_hostile_text_runs_nothing(hostile):
    _, shown = hostile

    assert shown.scripts == [script()]
    assert not shown.tags & {"iframe", "object", "embed", "form", "base", "link", "foreignobject"}
    assert not [name for _, name, _ in shown.attributes if name.startswith("on")]
    assert all(value.startswith("./") for value in shown.values("href") + shown.values("src"))


def test_hostile_text_is_shown_as_text(hostile):
    text, shown = hostile
    seen = (
        text.replace("\u202e", "\\u202e").replace("\x1b", "\\x1b").replace("\x00", "\\x00").replace("\u2066", "\\u2066")
    )

    assert shown.text.count(seen) >= 6
    assert any(seen in value for value in shown.values("alt"))
    assert not {"\u202e", "\x1b", "\x00", "\u2066"} & set(shown.text)


def test_the_page_may_load_its_own_pictures_and_nothing_else(eventful):
    shown = page(eventful)
    (policy,) = [value for value in shown.values("content") if "default-src" in value]

    digest = base64.b64encode(hashlib.sha256(script().encode()).digest()).decode()
    assert policy == (
        f"default-src 'none'; script-src 'sha256-{digest}'; img-src 'self' data:; style-src 'unsafe-inline'"
    )
    assert "http:" not in str(shown.attributes)
    assert "https:" not in str(shown.attributes)


def test_links_to_pictures_are_relative_and_lead_to_files(ledger):
    ledger.begin()
    name = "images/50% off #1 ?/täst &.png"
    ledger.store(ledger.request("odd"), name=name)
    shown = page(ledger)

    assert "./images/50%25%20off%20%231%20%3F/t%C3%A4st%20%26.png" in shown.values("src")
    assert address("images/\u202e&.png") == "./images/%E2%80%AE%26.png"


@pytest.mark.parametrize("file", ["javascript:alert(1)", "//evil/x.png", "data:text/html,x"])
def test_an_address_stays_in_the_folder(file):
    assert address(file).startswith("./")
    assert ":" not in address(file)


def test_pictures_that_are_gone_or_that_browsers_cannot_show_are_no_samples(ledger):
    ledger.begin()
    gone, *_ = ledger.store(ledger.request("gone"))
    ledger.store(ledger.request("tiff"), kinds=("TIFF",))
    kept, *_ = ledger.store(ledger.request("kept"))
    (ledger.folder.root / gone).unlink()

    assert page(ledger).values("src") == [f"./{kept}"]


def test_what_is_in_doubt_is_listed_with_its_price_and_the_ways_out(eventful):
    shown = page(eventful)
    text = " ".join(shown.text.split())

    assert "No answer arrived for 1 request, worth $0.045" in text
    assert f"batchgen adopt {eventful.folder.root} KEY FILE|URL" in text
    assert f"batchgen run jobs/mugs.yaml --out {eventful.folder.root} --retry doubt" in text


def test_charts_say_in_words_what_they_draw(eventful):
    labels = page(eventful).values("aria-label")

    assert "maker/one: $0.14 billed, $0.045 maybe billed" in labels
    assert "maker/one: p50 3.00 s, p90 5.00 s, p99 5.00 s" in labels


def test_long_lists_say_how_many_are_not_shown(ledger):
    ledger.begin()
    for number in range(203):
        ledger.fail(ledger.request(f"mug {number}"))

    assert "3 more: see failures.jsonl" in page(ledger).text


def test_sums_are_rounded_for_the_eye_and_exact_under_the_mouse(eventful):
    shown = page(eventful)

    assert "$0.140006" in shown.values("title")
    assert "$0.140006" not in shown.text
    assert "$0.14" in shown.text


def test_what_is_zero_everywhere_has_no_column_and_no_headline(ledger):
    ledger.begin()
    ledger.store(ledger.request("mug"), billed=40_000)
    ledger.store(ledger.request("jug"), billed=40_000)
    shown = page(ledger)
    heads = re.findall(r"<th [^>]*>([^<]*)</th>", (ledger.folder.root / "report.html").read_text(encoding="utf-8"))

    assert {"requests", "stored", "success", "billed", "a picture"} <= set(heads)
    assert not {"refused", "spoiled", "in doubt", "open", "retries", "maybe billed", "estimated"} & set(heads)
    assert not {"Maybe billed", "Estimated"} & set(re.findall(r"[A-Z][a-z ]+", shown.text.partition("Models")[0]))


@pytest.mark.parametrize(("prices", "shown"), [((40_000, 40_000), False), ((40_000, 60_000), True)])
def test_the_dearest_and_the_spread_of_costs_are_shown_only_if_a_model_has_several_prices(ledger, prices, shown):
    ledger.begin()
    for number, billed in enumerate(prices):
        ledger.store(ledger.request(f"mug {number}", model="maker/one"), billed=billed)
        ledger.store(ledger.request(f"jug {number}", model="maker/two"), billed=7_000)
    text = page(ledger).text

    assert ("The dearest" in text) is shown
    assert ("Cost: share of requests that cost at most" in text) is shown
    assert "The slowest" in text


def test_an_axis_has_one_table_with_a_cell_for_each_model(eventful):
    shown = page(eventful)
    text = " ".join(shown.text.split())

    assert shown.values("aria-label").count("by style") == 1
    assert not [label for label in shown.values("aria-label") if label.startswith("by style,")]
    cells = ["ink", "4", "75.0 %", "$0.04", "2.00 s", "3.00 s", "$0.04", "1.00 s · 66.7 %", "$0.04", "2.00 s · 100 %"]
    assert "".join(cells) in text


def test_it_leads_to_the_page_of_all_pictures_once_there_is_one(ledger):
    ledger.begin()
    ledger.store(ledger.request("mug"))
    before = page(ledger)
    (ledger.folder.root / "compare.html").touch()
    after = page(ledger)

    assert f"batchgen compare {ledger.folder.root}" in before.text
    assert "./compare.html" not in before.values("href")
    assert "./compare.html" in after.values("href")
    assert "./compare.html#results=1" not in after.values("href")
    (ledger.folder.root / "votes.jsonl").touch()
    assert "./compare.html#results=1" in page(ledger).values("href")


def test_runs_that_sent_nothing_are_counted_and_not_listed(ledger):
    ledger.begin()
    ledger.store(ledger.request("mug"))
    ledger.end()
    for _ in range(9):
        ledger.now_ms += 86_400_000
        ledger.begin()
        ledger.end()
    text = page(ledger).text
    runs = (ledger.folder.root / "report.html").read_text(encoding="utf-8").partition('aria-label="runs"')[2]

    # The one that bought, and the newest.
    assert runs.count('class="time"') == 2
    assert "8 other runs found everything there and sent nothing." in text


def test_a_run_that_sent_nothing_because_it_failed_is_listed(ledger):
    for code in (0, 3, 0):
        ledger.begin()
        ledger.end(code)
        ledger.now_ms += 86_400_000

    text = page(ledger).text
    assert "1 other run found everything there" in text
    assert "stopped early" in text
