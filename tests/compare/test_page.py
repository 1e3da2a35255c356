"""The page in a real browser, opened from disk."""

import json
import random

import pytest

from batchgen import load_manifest, plan
from batchgen.compare import votes
from batchgen.compare.writing import write_page
from batchgen.request import State
from batchgen.simulator.drawing import Drawing
from batchgen.simulator.films import film
from tests.browser import SETTLED, until, violations
from tests.compare import folders, pairs

HOSTILE = '<img src=x onerror="window.ran=1"><script>window.ran=1</script> </script> \u202eevil'
MODELS = ("maker/one", "maker/two", "maker/three")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Three models, eight prompts, two repeats; failures, a gap, a lost file, copies, another size, hostile text."""
    with folders.building(tmp_path_factory.mktemp("run") / "mixed") as folder:
        for number in range(8):
            prompt = (
                HOSTILE if number == 3 else f"mug {number}, in the style of a long winter evening" + " by a window" * 20
            )
            for model in MODELS:
                for repeat in (1, 2):
                    request = folder.request(
                        prompt,
                        model=model,
                        axes={"model": model},
                        columns={"category": ("kitchen", "garden")[number % 2]},
                        repeat=repeat,
                        size="24x18" if number else "64x64",
                    )
                    match number, model, repeat:
                        case 1, "maker/two", 1:
                            folder.fail(request, reason="moderation", message=f"flagged {HOSTILE}")
                        case 2, "maker/three", 1:
                            pass
                        case 4, _, 1:
                            folder.store(request, content=folders.picture("copy"))
                        case 5, "maker/one", 1:
                            (folder.root / folder.store(request)).unlink()
                        case 6, "maker/one", 1:
                            folder.fail(request, State.DOUBT, reason="deadline", message="no answer", status=None)
                        case _:
                            cost = 10_000 * (1 + MODELS.index(model))
                            folder.store(request, billed=cost, latency_ms=1_000 * (number + 1))
        folder.end()
    write_page(folder.folder)
    return folder.folder


@pytest.fixture
def address(mixed):
    return (mixed.root / "compare.html").as_uri()


@pytest.fixture
def page(visit, address):
    return visit(f"{address}#size=s", height=1500)


def rows(page):
    return page.locator(".rowhead p").all_inner_texts()


def titles(page):
    return page.locator(".colhead b").all_inner_texts()


def counts(page):
    return page.locator(".counts").inner_text().split("\n")[0]


def settled(page):
    """Every picture in sight is there."""
    until(page, SETTLED)


def cell(page, row, column):
    return page.locator(f"#c{row}-{column}")


def test_models_are_columns_and_prompts_rows_and_a_repeat_is_a_tab(page):
    assert titles(page) == list(MODELS)
    assert rows(page)[0].startswith("mug 0,")
    assert page.get_by_role("radio", name="1").get_attribute("aria-checked") == "true"
    assert counts(page) == "23 cells, of 47 in all tabs · 8 rows"


def test_it_asks_for_nothing_outside_its_folder(page, mixed):
    settled(page)
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.zoom img")

    assert len(page.asked) > 20
    assert [url for url in page.asked if not url.startswith(mixed.root.as_uri() + "/")] == []


def test_hostile_text_is_shown_as_text_and_runs_nothing(page):
    shown = HOSTILE.replace("\u202e", "\\u202e")
    assert shown in rows(page)
    page.get_by_label("Search prompts").fill("onerror")
    assert rows(page) == [shown]
    page.locator(".grid").focus()
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.zoom dl")

    assert shown in page.locator("dialog.zoom h2").inner_text()
    assert page.evaluate("window.ran") is None


def test_its_policy_stops_scripts_pictures_and_requests_from_elsewhere(visit, address):
    page = visit(address, complains=True)
    blocked = page.evaluate(
        """async () => {
            const seen = [];
            document.addEventListener("securitypolicyviolation", (event) => seen.push(event.effectiveDirective));
            document.body.append(Object.assign(document.createElement("script"), { textContent: "window.ran = 1" }));
            document.body.append(Object.assign(new Image(), { src: "http://127.0.0.1:9/x.png" }));
            document.body.insertAdjacentHTML("beforeend", '<iframe src="http://127.0.0.1:9/"></iframe>');
            await fetch("http://127.0.0.1:9/").catch(() => {});
            await new Promise((done) => setTimeout(done, 100));
            return seen;
        }"""
    )
    assert {"script-src-elem", "img-src", "frame-src", "connect-src"} <= set(blocked)
    assert page.evaluate("window.ran") is None


def test_what_failed_says_why_and_what_is_missing_says_so(page):
    assert "moderation" in cell(page, 1, 1).inner_text()
    assert "flagged <img" in cell(page, 1, 1).inner_text()
    assert cell(page, 2, 2).inner_text() == "not run"


def test_entries_that_go_away_while_it_is_open_leave_no_trace(page):
    page.evaluate("table.gone(table.places.filter((place) => table.text(view.named('repeat').codes[place]) === '1'))")
    until(page, "document.querySelector('.counts').textContent.startsWith('24 cells ·')")
    assert page.get_by_role("radio").count() == 0
    page.keyboard.press("f")
    assert page.locator(".check", has_text="maker/two").get_attribute("data-count") == "8"


def test_what_says_the_same_keeps_its_element_while_rows_arrive(page):
    settled(page)
    page.evaluate("window.before = [...document.querySelectorAll('.cell, .rowhead, .colhead')]")
    page.evaluate("table.columns.cost[0] = 15_000, app.refresh()")
    until(page, "document.querySelector('#c0-0').dataset.line.startsWith('$0.015')")
    changed = page.evaluate("window.before.filter((one) => !one.isConnected).map((one) => one.id || one.className)")

    assert changed == ["c0-0"]


def test_no_picture_is_ever_broken(page):
    until(page, "document.querySelector('#c5-0').textContent.includes('its file is gone')")
    settled(page)


def test_badges_stand_only_where_something_is_wrong(page):
    badges = {
        (row, column): cell(page, row, column).get_attribute("data-badge") for row in (0, 1, 4) for column in range(3)
    }
    assert {badges[0, column] for column in range(3)} == {"other size"}
    assert {badges[4, column] for column in range(3)} == {"duplicate"}
    assert badges[1, 0] is None


def test_a_column_tells_mean_cost_median_latency_and_success(page):
    said = [text.replace("\u00a0", " ") for text in page.locator(".colhead span").all_inner_texts()]
    assert said == ["$0.019 · 2.0 s · 87.5 %", "$0.023 · 4.0 s · 87.5 %", "$0.031 · 4.0 s · 100 %"]


def test_axes_are_swapped_and_assigned_again(page):
    page.keyboard.press("x")
    assert rows(page) == list(MODELS)
    assert titles(page)[0].startswith("mug 0")
    page.get_by_label("Rows", exact=True).select_option("repeat")
    assert rows(page) == ["1", "2"]
    page.get_by_role("button", name="More axes").click()
    page.get_by_label("Over rows").select_option("model")
    assert page.locator(".rowhead i").all_inner_texts()[:3] == ["maker/one", "maker/one", "maker/two"]
    assert page.get_by_role("radiogroup").count() == 0


def test_an_axis_stands_over_the_columns_too(visit, address):
    page = visit(f"{address}#sx=repeat&size=s", height=1500)
    groups = page.locator(".group")
    assert groups.all_inner_texts() == ["1", "2"]
    assert groups.evaluate_all("all => all.map((one) => one.ariaColSpan)") == ["3", "3"]
    first, second = (groups.nth(number).bounding_box() for number in range(2))
    assert first["x"] + first["width"] <= second["x"]
    assert second["x"] <= cell(page, 0, 3).bounding_box()["x"] + 6
    assert titles(page) == list(MODELS) * 2
    assert counts(page) == "47 cells · 8 rows"


def test_filters_say_how_many_there_are_and_leave_out_what_there_is_not(page):
    page.keyboard.press("f")
    found = {}
    for name, label, count in page.locator(".check[data-count]").evaluate_all(
        "all => all.map((one) => [one.querySelector('input').name, one.textContent, one.dataset.count])"
    ):
        found.setdefault(name, {})[label] = count
    assert len(found.pop("only.prompt")) == 8
    assert found == {
        "only.model": {"maker/one": "16", "maker/two": "16", "maker/three": "15"},
        "only.category": {"kitchen": "23", "garden": "24"},
        "only.size": {"64x64": "6", "24x18": "41"},
        "only.repeat": {"1": "23", "2": "24"},
        "states": {"in doubt": "1", "refused": "1", "stored": "45"},
        "flags": {"other size": "6", "duplicate": "3", "file gone": "1"},
    }


def test_a_tab_shows_the_other_values(page):
    page.get_by_role("radio", name="2").click()
    cell(page, 1, 1).locator("img").wait_for()
    page.keyboard.press("ArrowLeft")
    assert page.get_by_role("radio", name="1").get_attribute("aria-checked") == "true"


def in_column(name, text):
    def act(page):
        page.get_by_label("Column", exact=True).select_option(name)
        page.get_by_label("Text in that column").fill(text)

    return act


@pytest.mark.parametrize(
    ("act", "shown"),
    [
        (lambda page: page.get_by_label("Search prompts").fill("mug 7 window"), "3 of 23 cells"),
        (lambda page: page.get_by_label("maker/two").check(), "8 of 23 cells"),
        (lambda page: page.get_by_label("garden").check(), "12 of 23 cells"),
        (lambda page: page.get_by_label("refused").check(), "1 of 23 cells"),
        (lambda page: page.get_by_label("duplicate", exact=True).check(), "3 of 23 cells"),
        (lambda page: page.get_by_label("Cost, $, from").fill("0.03"), "10 of 23 cells"),
        (lambda page: page.get_by_label("Latency, s, to").fill("1"), "3 of 23 cells"),
        (lambda page: page.get_by_label("Only rows that ended differently").check(), "8 of 23 cells"),
        (in_column("category", "garden"), "12 of 23 cells"),
    ],
    ids=["text", "model", "value", "status", "flag", "cost", "latency", "disagreement", "column"],
)
def test_a_filter_leaves_what_passes_and_says_how_much(page, act, shown):
    page.keyboard.press("f")
    act(page)
    assert counts(page).startswith(shown)
    page.get_by_role("button", name="Clear filters").first.click()
    assert counts(page).startswith("23 cells")


def test_filters_that_nothing_passes_say_so(page):
    page.get_by_label("Search prompts").fill("no such words")
    assert page.get_by_role("heading", name="Nothing passes these filters").is_visible()


def test_a_row_is_zoomed_and_panned_as_one(page):
    settled(page)
    page.locator(".grid").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.zoom .holder img")
    for _ in range(9):
        page.keyboard.press("+")
    page.keyboard.press("Shift+ArrowLeft")
    transforms = page.eval_on_selector_all(".holder", "all => all.map(one => one.style.transform)")

    assert len(transforms) == 3
    assert set(transforms) == {"translate(10%, 0%) scale(8)"}
    page.keyboard.press("ArrowDown")
    assert page.locator(".which p").inner_text() == "row 2 of 8"
    page.keyboard.press("ArrowRight")
    assert page.locator(".pane.focused figcaption").inner_text() == "maker/three"
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.className") == "grid"


def test_two_pictures_are_laid_over_one_another(visit, address):
    page = visit(address, reduced_motion="reduce")
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    until(page, "[...document.querySelectorAll('.frame img')].filter((one) => one.naturalWidth).length === 2")
    page.get_by_role("slider").fill("25")
    assert cut_of(page) == pytest.approx(0.25, abs=0.01)
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Difference").click()
    assert page.evaluate("getComputedStyle(document.querySelector('.over')).mixBlendMode") == "difference"
    page.get_by_role("button", name="Flicker").click()
    over = "getComputedStyle(document.querySelector('.over')).visibility"
    assert page.evaluate(over) == "hidden"
    page.get_by_role("button", name="Swap (space)").click()
    assert page.evaluate(over) == "visible"


CUT = """() => {
    const frame = document.querySelector(".frame").getBoundingClientRect();
    const wide = Math.min(frame.width, (frame.height * 24) / 18);
    const line = document.querySelector(".cut").getBoundingClientRect();
    return (line.left + line.width / 2 - frame.left - (frame.width - wide) / 2) / wide;
}"""


def cut_of(page):
    """Where the cut stands, as a part of the picture's width."""
    return page.evaluate(CUT)


def test_the_picture_is_the_slider(page):
    page.keyboard.press("Enter")
    page.keyboard.press("2")
    until(page, "[...document.querySelectorAll('.frame img')].filter((one) => one.naturalWidth).length === 2")
    frame = page.locator(".frame").bounding_box()
    middle, height = frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2
    wide = min(frame["width"], frame["height"] * 24 / 18)
    page.mouse.move(middle, height)
    page.mouse.down()
    page.mouse.move(middle + 0.3 * wide, height)
    assert cut_of(page) == pytest.approx(0.8, abs=0.01)
    page.mouse.move(middle + 5 * wide, height)
    page.mouse.up()
    assert cut_of(page) == pytest.approx(1, abs=0.01)
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    assert cut_of(page) == pytest.approx(0, abs=0.01)


def test_a_view_is_restored_from_its_address(visit, page):
    page.get_by_label("Search prompts").fill("mug")
    page.get_by_role("radio", name="2").click()
    page.get_by_role("button", name="Size M").click()
    page.keyboard.press("x")
    cell(page, 1, 2).click()
    page.wait_for_selector("dialog.zoom dl")
    again = visit(page.url, wait="dialog.zoom dl", height=1500)

    assert "#" in page.url
    for text in (".which h2", ".pane.focused figcaption"):
        assert again.locator(text).inner_text() == page.locator(text).inner_text()
    again.keyboard.press("Escape")
    assert rows(again) == list(MODELS)
    assert again.get_by_label("Search prompts").input_value() == "mug"
    assert again.get_by_role("radio", name="2").get_attribute("aria-checked") == "true"


def test_a_copied_request_is_the_request_it_was(page, mixed, tmp_path):
    place = page.evaluate("table.columns.state.findIndex((_, place) => table.state(place) === 'stored')")
    text, key = page.evaluate("async place => [request.yaml(place), (await table.detailed(place)).key]", place)
    (tmp_path / "copied.yaml").write_text(text, encoding="utf-8")
    (made,) = plan(load_manifest(tmp_path / "copied.yaml"))

    assert made.parameters["prompt"].startswith("mug 0,")
    assert made.parameters["size"] == "64x64"
    assert made.key == key


def test_a_copied_curl_keeps_quotes_from_ending_the_argument(page):
    texts = page.evaluate("table.columns.state.map((_, place) => request.curl(place))")
    (hostile,) = {text for text in texts if "window.ran" in text and "maker/one" in text and '"size":"24x18"' in text}
    assert "Authorization: Bearer $IMAGEROUTER_API_KEY" in hostile
    assert hostile.count("'") % 2 == 0


def test_votes_are_cast_with_keys_kept_and_exported(page, tmp_path):
    page.keyboard.press("v")
    page.wait_for_selector("dialog.vote .choice img")
    for key in ("ArrowLeft", "ArrowRight", "t", "b", "s", "1"):
        page.keyboard.press(key)
    page.keyboard.press("u")
    names = page.locator("dialog.vote").inner_text()
    page.reload()
    page.wait_for_selector(".cell")
    page.keyboard.press("v")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export votes.jsonl").click()
    download.value.save_as(tmp_path / votes.FILE)
    found = votes.read(tmp_path)

    assert not any(model in names for model in MODELS)
    assert found.bad == ()
    assert found.undone == 1
    assert [vote.winner.value for vote in found.votes][2:] == ["tie", "both_bad", "skip"]
    assert all(vote.side in {"a", "b"} and vote.ms is not None and vote.axis == "model" for vote in found.votes)
    assert set(json.loads(found.votes[0].item)) == {"prompt", "repeat"}
    left, right = found.votes[:2]
    assert left.winner.value == left.side
    assert right.winner.value != right.side


def test_a_whole_row_is_voted_on_with_a_number(page):
    page.keyboard.press("v")
    page.get_by_role("button", name="Whole row").click()
    count = page.locator(".choice").count()
    until(page, "[...document.querySelectorAll('.choice img')].every((one) => one.naturalWidth)")
    stage = page.locator(".ballot").bounding_box()
    boxes = [page.locator(".choice").nth(number).bounding_box() for number in range(count)]
    assert sum(box["width"] * box["height"] for box in boxes) > 0.4 * stage["width"] * stage["height"]
    assert all(box["width"] / box["height"] == pytest.approx(24 / 18, abs=0.02) for box in boxes)
    page.keyboard.press("2")
    cast = [votes.parse(line.encode()) for line in page.evaluate("ballot.exported()").splitlines()]

    assert len(cast) == count - 1
    assert len({vote.a for vote in cast}) == 1
    assert {vote.winner for vote in cast} == {votes.Winner.A}


def test_films_are_seen_in_the_grid_and_voted_on(visit, tmp_path):
    with folders.building(tmp_path / "run") as folder:
        for model in MODELS[:2]:
            drawing = Drawing("a lighthouse", "", 64, 48, "mp4", seed=model, seconds=4)
            folder.store(folder.request("a lighthouse", model=model), content=film(drawing))
    write_page(folder.folder)
    page = visit((folder.root / "compare.html").as_uri(), wait=".cell video")
    until(page, "[...document.querySelectorAll('.cell video')].every((film) => film.duration === 4 && film.videoWidth)")
    page.keyboard.press("v")
    until(page, "[...document.querySelectorAll('.choice video')].filter((film) => !film.paused).length === 2")
    page.keyboard.press("ArrowLeft")

    assert page.evaluate("ballot.exported()").count("\n") == 1
    assert page.locator(".none").count() == 0


def test_copies_of_one_picture_are_never_voted_on(page):
    page.keyboard.press("v")
    for _ in range(30):
        page.keyboard.press("t")
    cast = page.evaluate("ballot.exported()").splitlines()

    # 8 rows of 3 pairs, less what is not stored, and the row whose three pictures are one.
    assert len(cast) == sum([3, 1, 1, 3, 0, 1, 1, 3])
    assert page.get_by_role("heading", name="No pair is left for you").is_visible()


def test_votes_of_others_count_from_the_start_for_which_pair_needs_one(visit, tmp_path):
    folder = folders.sweep(tmp_path / "run", prompts=2, models=3)
    names = [f"maker/model-{number}" for number in range(3)]
    lines = [
        {"item": f"mug {number}", "a": a, "b": b, "winner": "tie", "voter": "ann", "ts": number}
        for number, (a, b) in enumerate([names[:2], names[:2], names[1:]])
    ]
    (folder.root / votes.FILE).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    write_page(folder)
    page = visit((folder.root / "compare.html").as_uri())
    until(page, "ballot.standing('model').length === 3")
    page.keyboard.press("v")
    page.keyboard.press("t")
    cast = votes.parse(page.evaluate("ballot.exported()").encode())

    assert {cast.a, cast.b} == {names[0], names[2]}
    assert cast.voter != "ann"


def test_the_page_chooses_pairs_by_the_same_rule(page):
    chance = random.Random(7)
    for _ in range(25):
        titles = [f"m{number}" for number in range(chance.randint(2, 5))]
        table = [
            pairs.Row(
                f"item é {number}",
                {
                    title: chance.choice("xyz") + title * chance.randint(0, 1)
                    for title in titles
                    if chance.random() < 0.9
                },
            )
            for number in range(chance.randint(1, 6))
        ]
        cast = [
            votes.Vote(
                item=chance.choice(table).item,
                a=a,
                b=b,
                winner=chance.choice(list(votes.Winner)),
                voter=chance.choice("pq"),
                ts=number,
            )
            for number in range(chance.randint(0, 12))
            for a, b in [chance.sample(titles, 2)]
        ]
        ratings = {title: chance.choice([0.0, 0.5, 1.5]) for title in titles}
        seed = chance.getrandbits(32)
        found = pairs.choose(table, titles, cast, voter="p", seed=seed, ratings=ratings)
        theirs = page.evaluate(
            """([rows, titles, votes, seed, ratings]) => pairs.choose(
                rows.map(([item, all]) => ({ item, pictures: new Map(Object.entries(all)) })), titles, votes,
                { voter: "p", seed, ratings: new Map(Object.entries(ratings)) })""",
            [
                [[row.item, dict(row.pictures)] for row in table],
                titles,
                [{"item": v.item, "a": v.a, "b": v.b, "winner": v.winner.value, "voter": v.voter} for v in cast],
                seed,
                ratings,
            ],
        )
        assert theirs == (found and {"item": found.item, "a": found.a, "b": found.b, "side": found.side})


STATES = {
    "grid": [],
    "filters": ["f"],
    "filtered": ["Escape", "/", "m", "u", "g", "Escape"],
    "row": ["Enter"],
    "failed row": ["Escape", "ArrowDown", "ArrowRight", "Enter"],
    "slider": ["2"],
    "difference": ["3"],
    "flicker": ["4"],
    "vote": ["Escape", "v"],
    "no pair is left": ["s"] * 20,
    "help": ["Escape", "?"],
    "nothing passes": ["Escape", "/", "~"],
}


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_stands_in_the_way_of_assistive_technology(visit, address, scheme, width):
    page = visit(address, color_scheme=scheme, width=width, bypass_csp=True, reduced_motion="reduce")
    settled(page)
    found = {}
    for name, keys in STATES.items():
        for key in keys:
            page.keyboard.press(key)
        page.wait_for_timeout(100)
        found[name] = violations(page)
    assert found == {name: [] for name in STATES}


@pytest.mark.parametrize("width", [390, 1280, 1920])
def test_it_fits_the_screen(visit, address, width):
    page = visit(address, width=width, height=844)
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator(".cell").first.bounding_box()["y"] < 320
    page.keyboard.press("Enter")
    page.keyboard.press("v")


SMALL = """[...document.querySelectorAll("button, select, input, label.check, .acts a")]
    .filter(one => one.checkVisibility() && !one.matches("[type=checkbox], [type=range]"))
    .map(one => [one.getBoundingClientRect(), one.outerHTML.slice(0, 80)])
    .filter(([box]) => box.height < 40 || box.width < 40).map(([, html]) => html)"""


def test_a_finger_finds_everything_on_a_phone(visit, address):
    page = visit(address, width=390, height=844, has_touch=True, is_mobile=True)
    small = {}
    for name, keys in STATES.items():
        for key in keys:
            page.keyboard.press(key)
        small[name] = page.evaluate(SMALL)
        assert page.evaluate("document.documentElement.scrollWidth") == 390
    assert small == {name: [] for name in STATES}


def test_two_fingers_zoom(page):
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog.zoom .holder img")
    page.evaluate(
        """{
            const frame = document.querySelector(".frame");
            const stage = document.querySelector(".stage");
            stage.setPointerCapture = () => {};
            const at = (name, pointerId, clientX) => frame.dispatchEvent(
                new PointerEvent(name, { pointerId, clientX, clientY: 300, bubbles: true }));
            at("pointerdown", 1, 100);
            at("pointerdown", 2, 200);
            at("pointermove", 2, 400);
            at("pointerup", 2, 400);
            at("pointerup", 1, 100);
        }"""
    )
    transforms = page.eval_on_selector_all(".holder", "all => all.map(one => one.style.transform)")
    assert {transform.rpartition(" ")[2] for transform in transforms} == {"scale(3)"}


def test_a_text_from_right_to_left_runs_its_own_way(visit, tmp_path):
    with folders.building(tmp_path / "run") as folder:
        for model in MODELS[:2]:
            folder.store(
                folder.request("\u05e7\u05e2\u05e8\u05d4 \u05db\u05d7\u05d5\u05dc\u05d4, studio light", model=model)
            )
    write_page(folder.folder)
    page = visit((folder.root / "compare.html").as_uri())
    first, second = page.evaluate(
        """(node => [0, node.length - 1].map(at => {
            const range = document.createRange();
            range.setStart(node, at);
            range.setEnd(node, at + 1);
            return range.getBoundingClientRect().x;
        }))(document.querySelector(".rowhead p").firstChild)"""
    )
    assert first > second


def test_keys_are_listed_and_the_list_closes(page):
    page.keyboard.press("?")
    assert page.get_by_role("dialog", name="Keys").get_by_text("vote blind").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0


def test_an_address_that_means_nothing_here_shows_the_page_as_it_is(visit, address):
    page = visit(f"{address}#x=nothing&tab.repeat=99&size=huge&flags=none&zoom=a&zoom=b&cost=x")
    assert titles(page) == list(MODELS)
