"""Contact sheets, drawn and opened again."""

import re

import pytest
from PIL import Image

from batchgen.report import sheets
from batchgen.report.lettering import Lettering
from batchgen.report.sheets import write_sheets
from batchgen.store.looks.update import look_at_new


def fill(ledger, models=3, prompts=4, repeats=2, look=True):
    ledger.begin()
    for number in range(prompts):
        for model in range(models):
            for repeat in range(1, repeats + 1):
                ledger.store(ledger.request(f"mug {number} 茶壺 \u202e", model=f"m/{model}", repeat=repeat))
    if look:
        look_at_new(ledger.folder)


def test_models_stand_beside_each_other_and_prompts_below(ledger):
    fill(ledger)
    written = write_sheets(ledger.folder, "png")
    assert (written.pictures, written.blank) == (24, 0)
    (file,) = written.files
    with Image.open(file) as page:
        assert page.size == (24 * 2 + 280 + 6 * 268, 24 * 2 + 40 + 44 + 4 * 268)
        # The last picture of the last row stands in its place, in its colour.
        left = 24 + 280 + 5 * 268 + 128
        assert page.convert("RGB").getpixel((left, 24 + 40 + 44 + 3 * 268 + 128))[2] > 100
        assert page.convert("RGB").getpixel((left, 24 + 40 + 44 + 3 * 268 + 266)) == (255, 255, 255)


def test_pictures_of_one_model_follow_each_other_with_captions(ledger):
    fill(ledger, models=1, prompts=10, repeats=1)
    (file,) = write_sheets(ledger.folder, "png").files
    with Image.open(file) as page:
        assert page.width == 2 * 24 + 8 * 268
        assert page.height == 2 * 24 + 40 + 2 * (268 + 40)


def test_a_sheet_too_large_for_one_page_becomes_several_that_viewers_open(ledger, monkeypatch):
    monkeypatch.setattr(sheets, "MAX_SIDE", 1_100)
    monkeypatch.setattr(sheets, "MAX_PIXELS", 400_000)
    fill(ledger, models=8, prompts=6, repeats=1)
    written = write_sheets(ledger.folder, "png")
    assert len(written.files) > 1
    for file in written.files:
        with Image.open(file) as page:
            assert max(page.size) <= 1_100
            assert page.width * page.height <= 400_000


def test_a_smaller_sheet_leaves_no_page_of_a_larger_one(ledger, monkeypatch):
    fill(ledger, models=8, prompts=6, repeats=1)
    monkeypatch.setattr(sheets, "MAX_PIXELS", 400_000)
    assert len(write_sheets(ledger.folder, "png").files) > 1
    monkeypatch.undo()
    (only,) = write_sheets(ledger.folder, "png").files
    assert list(only.parent.iterdir()) == [only]


def test_a_pdf_has_pages_of_a_sheet_of_paper(ledger):
    fill(ledger, models=2, prompts=12, repeats=1)
    (file,) = write_sheets(ledger.folder, "pdf").files
    content = file.read_bytes()
    assert content.startswith(b"%PDF")
    assert max(int(count) for count in re.findall(rb"/Count (\d+)", content)) > 1


def test_pictures_without_a_thumbnail_are_named(ledger):
    fill(ledger, look=False)
    assert write_sheets(ledger.folder, "png").blank == 24


def test_an_empty_folder_has_no_sheets(ledger):
    assert write_sheets(ledger.folder, "png").files == ()


def test_a_sheet_is_never_written_over_a_picture(ledger):
    ledger.begin()
    name = "compare/sheets/sheet-001.png"
    ledger.store(ledger.request(), name=name)
    before = (ledger.folder.root / name).read_bytes()
    with pytest.raises(FileExistsError, match="is a picture of this run"):
        write_sheets(ledger.folder, "png")
    assert (ledger.folder.root / name).read_bytes() == before


@pytest.mark.parametrize("text", ["mug", "茶壺 " * 40, "\x1b[31m", "x" * 4_000, "🫖 a " * 99, ""])
def test_text_stays_in_its_place(text):
    image = Image.new("RGB", (400, 200), "white")
    Lettering(image).write(text, (100, 50), width=200, lines=2)
    outside = Image.new("RGB", (400, 200), "white")
    outside.paste(image)
    outside.paste("white", (98, 48, 304, 95))
    assert outside.getcolors() == [(400 * 200, (255, 255, 255))]
