"""Pages to be sent, opened alone in a real browser."""

import shutil
import zipfile

import pytest

from batchgen.commands.share import share
from batchgen.compare import sharing, votes
from batchgen.compare.writing import write_page
from batchgen.report import write_report
from batchgen.request import INPUT_PATHS, State
from batchgen.simulator.drawing import Drawing
from batchgen.simulator.films import film
from tests.browser import SETTLED, until, violations
from tests.compare import folders
from tests.compare.test_edits import edited

HOSTILE = '</script><script>window.ran=1</script><img src=x onerror="window.ran=1"> \u202eevil'
MODELS = ("maker/one", "maker/two")


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """A run folder with hostile texts, an edit whose picture lay elsewhere, a failure, and what was made of it."""
    root = tmp_path_factory.mktemp("secret-place")
    with folders.building(root / "mugs") as folder:
        picture = edited(folder, 1)
        for prompt in ("mug", HOSTILE, "edited"):
            for model in MODELS:
                image = (picture,) if prompt == "edited" else ()
                columns = {INPUT_PATHS: str(root / "private" / picture.source)} if image else {}
                request = folder.request(prompt, model=model, axes={"model": model}, image=image, columns=columns)
                folder.store(request)
        folder.fail(folder.request("lost", axes={"model": "maker/one"}), State.REFUSED, message=HOSTILE)
        folder.end()
    alone = tmp_path_factory.mktemp("elsewhere")
    for name in ("page.html", "pages.zip"):
        share(folder.root, alone / name)
    with zipfile.ZipFile(alone / "pages.zip") as archive:
        archive.extractall(alone)
    return folder.folder, alone


def test_the_single_page_opens_alone_with_every_picture_and_asks_for_nothing(visit, sent):
    _, alone = sent
    page = visit((alone / "page.html").as_uri(), height=1800)
    until(page, SETTLED)
    assert page.locator(".cell img").count() == 6
    assert [url for url in page.asked if not url.startswith("data:")] == [(alone / "page.html").as_uri()]
    assert page.evaluate("window.ran") is None
    assert not page.locator(".alone").is_visible()
    assert violations(page) == []


def test_its_rows_open_with_what_was_edited_and_offer_no_file_that_is_not_there(visit, sent):
    page = visit((sent[1] / "page.html").as_uri(), height=1800)
    page.locator(".row", has_text="edited").locator(".cell").first.click()
    page.wait_for_selector(".pane.source img")
    until(page, SETTLED)
    assert page.locator("dialog.zoom footer a").count() == 0
    assert "private" not in page.locator("dialog.zoom footer").inner_text()


def test_votes_on_it_are_exported(visit, sent):
    page = visit((sent[1] / "page.html").as_uri(), height=900)
    page.keyboard.press("v")
    page.wait_for_selector("dialog.vote[open] .ballot img")
    page.keyboard.press("ArrowLeft")
    until(page, "ballot.exported()")
    with page.expect_download() as download:
        page.locator("dialog.vote .export").click()
    (line,) = download.value.path().read_text(encoding="utf-8").splitlines()
    cast = votes.parse(line.encode())
    # The sides are drawn by lot; the one on the left was preferred.
    assert cast.winner.value == cast.side


@pytest.mark.parametrize("name", ["compare.html", "report.html"])
def test_the_pages_of_the_zip_have_all_their_pictures(visit, sent, name):
    page = visit((sent[1] / "mugs" / name).as_uri(), height=1800, wait=".cell" if name == "compare.html" else "footer")
    until(page, SETTLED)
    links = page.evaluate("[...document.links].map(one => one.href).filter(one => one.startsWith('file:'))")
    assert [link for link in links if not (sent[1] / "mugs" / link.rpartition("/mugs/")[2]).exists()] == []


def test_nothing_that_is_sent_names_a_place_of_this_machine_or_holds_the_ledger(sent):
    folder, alone = sent
    with zipfile.ZipFile(alone / "pages.zip") as archive:
        names = archive.namelist()
        texts = {name: archive.read(name) for name in names if not name.endswith((".png", ".webp", ".jpg"))}
    assert {name.split("/")[0] for name in names} == {"mugs"}
    assert not [name for name in names if "/." in name or name.endswith((".db", "looks.jsonl", "votes.jsonl"))]
    texts["page.html"] = (alone / "page.html").read_bytes()
    for name, text in texts.items():
        assert b"secret-place" not in text, name
        assert str(folder.root.parent).encode() not in text, name


def test_a_film_stands_in_the_page_if_it_is_short_and_else_in_the_zip_alone(visit, tmp_path, monkeypatch):
    with folders.building(tmp_path / "run" / "films") as folder:
        for model in MODELS:
            drawing = Drawing("a lighthouse", "", 64, 48, "mp4", seed=model, seconds=4)
            folder.store(folder.request("a lighthouse", model=model, axes={"model": model}), content=film(drawing))
        folder.end()
    made = share(folder.root, tmp_path / "page.html")
    assert (made.pictures, made.left_out) == (2, 0)
    page = visit((tmp_path / "page.html").as_uri(), wait=".cell video")
    until(page, "[...document.querySelectorAll('.cell video')].every((film) => film.duration === 4 && film.videoWidth)")
    monkeypatch.setattr(sharing, "LARGEST_INLINE_BYTES", 10)
    made = share(folder.root, tmp_path / "none.html")
    assert (made.pictures, made.left_out) == (0, 2)
    made = share(folder.root, tmp_path / "all.zip")
    assert (made.pictures, made.left_out) == (2, 0)


@pytest.mark.parametrize("page", ["compare", "report"])
def test_a_page_that_misses_its_neighbours_says_so(visit, sent, tmp_path, page):
    folder, _ = sent
    write_page(folder)
    write_report(folder)
    shutil.copy(folder.root / f"{page}.html", tmp_path)
    opened = visit((tmp_path / f"{page}.html").as_uri(), wait=".alone", complains=True)
    assert opened.locator(".alone").is_visible()
    assert "missing" in opened.locator(".alone").inner_text()
    whole = visit((folder.root / f"{page}.html").as_uri(), wait="footer, .cell")
    until(whole, SETTLED)
    assert whole.locator(".alone:visible").count() == 0
