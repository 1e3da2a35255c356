"""Contact sheets, written and read back."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from pypdf import PdfReader

from batchgen.errors import UsageError
from batchgen.report import sheets
from batchgen.report.sheets import write_sheets
from batchgen.store.ledger import names
from batchgen.store.looks.thumbnails import thumbnail_name
from batchgen.store.looks.update import look_at_new
from tests import ledgers

NOBODYS = "\U0010fffd"
A4_POINTS = (595.28, 841.89)


def fill(ledger, models=3, prompts=4, repeats=2, look=True, prompt="mug"):
    ledger.begin()
    for number in range(prompts):
        for model in range(models):
            for repeat in range(1, repeats + 1):
                ledger.store(ledger.request(f"{prompt} {number}", model=f"m/{model}", repeat=repeat))
    if look:
        look_at_new(ledger.folder)


def pages_of(written):
    return [page for file in written.files for page in PdfReader(file).pages]


def text_of(written):
    return "\n".join(page.extract_text() for page in pages_of(written))


def report(folder, *arguments, **environment):
    command = [Path(sys.executable).with_name("batchgen"), "report", folder, "--no-look", *arguments]
    environment = {**os.environ, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=environment)


def test_models_stand_beside_each_other_and_prompts_below(ledger):
    fill(ledger)
    written = write_sheets(ledger.folder)
    assert (written.pictures, written.blank) == (24, 0)
    assert [file.name for file in written.files] == ["sheet.pdf"]
    (page,) = pages_of(written)
    text = page.extract_text()
    headers = [f"m/{model} · {repeat}" for model in range(3) for repeat in (1, 2)]
    assert sorted(headers, key=text.index) == headers
    assert all(f"mug {number}" in text for number in range(4))
    assert len(page.images) == 24
    # Six columns want more width than height.
    assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx(A4_POINTS[::-1], abs=0.01)


def test_pictures_of_one_model_follow_each_other_with_captions(ledger):
    fill(ledger, models=1, prompts=30, repeats=1)
    written = write_sheets(ledger.folder)
    pages = pages_of(written)
    assert [len(page.images) for page in pages] == [25, 5]
    for page in pages:
        assert (float(page.mediabox.width), float(page.mediabox.height)) == pytest.approx(A4_POINTS, abs=0.01)
    assert "mug 24 · m/0" in pages[0].extract_text()
    assert "page 2 of 2" in pages[1].extract_text()


def test_pictures_are_small_and_in_their_colours(ledger):
    fill(ledger, models=1, prompts=1, repeats=1)
    (page,) = pages_of(write_sheets(ledger.folder))
    (image,) = page.images
    assert image.name.endswith(".jpg")
    drawn = image.image.convert("RGB").getpixel((8, 6))
    with Image.open(next(ledger.folder.root.glob("images/*/*.png"))) as picture:
        assert drawn == pytest.approx(picture.getpixel((8, 6)), abs=6)


def test_more_columns_than_stand_beside_each_other_become_more_pages(ledger):
    fill(ledger, models=12, prompts=1, repeats=1)
    first, second = pages_of(write_sheets(ledger.folder))
    assert "m/9 · 1" in first.extract_text()
    assert "m/10 · 1" not in first.extract_text()
    assert [len(page.images) for page in (first, second)] == [10, 2]
    assert "mug 0" in second.extract_text()


def test_many_pictures_become_several_files_and_fewer_leave_none_of_them(ledger, monkeypatch):
    monkeypatch.setattr(sheets, "PICTURES_PER_FILE", 60)
    fill(ledger, models=1, prompts=80, repeats=1)
    written = write_sheets(ledger.folder)
    assert [file.name for file in written.files] == ["sheet-001.pdf", "sheet-002.pdf"]
    assert [len(PdfReader(file).pages) for file in written.files] == [2, 2]
    assert "page 3 of 4" in PdfReader(written.files[1]).pages[0].extract_text()
    monkeypatch.undo()
    (only,) = write_sheets(ledger.folder).files
    assert list(only.parent.iterdir()) == [only]


def test_long_prompts_are_cut_with_an_ellipsis(ledger):
    fill(ledger, models=2, prompts=1, repeats=1, prompt="mug " * 2_000)
    text = text_of(write_sheets(ledger.folder))
    assert "…" in text
    assert len(text) < 1_000


@pytest.mark.parametrize(
    "prompt", ["茶壺と湯のみ", "كوب شاي على طاولة", "🫖 tea 👩\u200d🚀", "मेज पर चाय", NOBODYS, "\ufdfd"]
)
def test_a_prompt_in_any_script_is_written_or_marked(ledger, prompt):
    fill(ledger, models=1, prompts=1, repeats=1, prompt=f"tall mug {prompt}")
    written = write_sheets(ledger.folder)
    text = text_of(written)
    assert "mug" in text
    assert ("stands for characters that no installed font has" in text) == bool(written.undrawn)


def test_hostile_text_is_harmless(ledger):
    fill(ledger, models=1, prompts=1, repeats=1, prompt="\x1b[31m\u202e{nb} (a\\) >> endobj\x00")
    text = text_of(write_sheets(ledger.folder))
    assert "\\x1b[31m\\u202e{nb}" in text
    assert not {"\x1b", "\u202e", "\x00"} & set(text)


def test_a_folder_with_a_name_that_is_no_text_has_sheets(tmp_path):
    with ledgers.build(tmp_path / os.fsdecode(b"caf\xe9")) as ledger:
        fill(ledger, models=1, prompts=1, repeats=1, look=False)
        assert "page 1 of 1" in text_of(write_sheets(ledger.folder))


def test_pictures_without_a_thumbnail_are_named(ledger):
    fill(ledger, models=1, prompts=1, repeats=1, look=False)
    written = write_sheets(ledger.folder)
    assert written.blank == 1
    assert ".png" in text_of(written)


@pytest.mark.parametrize("size", [(2_000, 2_000), None])
def test_what_stands_in_the_place_of_a_thumbnail_and_is_none_is_not_shown(ledger, size):
    fill(ledger, models=1, prompts=1, repeats=1)
    (digest,) = ledger.db.execute("SELECT sha256 FROM pictures").fetchone()
    thumbnail = ledger.folder.root / thumbnail_name(digest)
    if size:
        Image.new("RGB", size).save(thumbnail, "WEBP")
    else:
        thumbnail.write_bytes(b"RIFF....WEBPVP8 no picture")
    assert write_sheets(ledger.folder).blank == 1


def test_an_empty_folder_has_no_sheets(ledger):
    assert write_sheets(ledger.folder).files == ()


def test_what_its_user_deleted_or_nothing_asks_for_is_on_no_sheet(ledger):
    ledger.begin()
    for number in range(3):
        ledger.store(ledger.request(f"mug {number}"), name=f"images/{number}.png")
    names.record_deleted(ledger.db, ["images/0.png"])
    ledger.retire(2)
    assert write_sheets(ledger.folder).pictures == 1


def test_a_sheet_that_can_not_be_finished_leaves_the_old_one(ledger, monkeypatch):
    fill(ledger, models=1, prompts=1, repeats=1)
    (file,) = write_sheets(ledger.folder).files
    before = file.read_bytes()

    def full(*_):
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_sheets(ledger.folder)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_the_command_names_the_files_and_says_once_what_no_font_has(ledger):
    fill(ledger, models=1, prompts=40, repeats=1, prompt=f"mug {NOBODYS}")
    done = report(ledger.folder.root, "--sheet", "pdf")
    assert done.returncode == 0
    (line,) = [line for line in done.stderr.splitlines() if "no font" in line]
    assert line.startswith("contact sheet: 1 character is in no font of this machine (U+10FFFD)")
    file = Path(done.stdout.splitlines()[-1])
    assert file == ledger.folder.root / "compare/sheets/sheet.pdf"
    pages = [page.extract_text() for page in PdfReader(file).pages]
    assert ["stands for characters that no installed font has" in page for page in pages] == [True, False]


def test_without_fpdf2_nothing_is_written_and_one_sentence_says_what_to_install(ledger, tmp_path):
    fill(ledger, models=1, prompts=1, repeats=1)
    # An older library of this name is none to write with either.
    (tmp_path / "fpdf").mkdir()
    (tmp_path / "fpdf/__init__.py").touch()
    before = sorted(ledger.folder.root.rglob("*"))
    done = report(ledger.folder.root, "--sheet", "pdf", PYTHONPATH=str(tmp_path))
    assert done.returncode == 2
    assert (
        done.stderr.strip().splitlines()[-1].endswith("contact sheets need fpdf2: pip install 'batchgen-runner[pdf]'")
    )
    assert sorted(ledger.folder.root.rglob("*")) == before


def test_without_any_library_of_that_name_it_is_the_same(ledger, monkeypatch):
    monkeypatch.setitem(sys.modules, "fpdf", None)
    monkeypatch.setitem(sys.modules, "fpdf.enums", None)
    with pytest.raises(UsageError, match="pip install 'batchgen-runner"):
        write_sheets(ledger.folder)


def test_a_kind_that_is_not_made_is_refused_before_anything_is_written(ledger):
    done = report(ledger.folder.root, "--sheet", "png")
    assert done.returncode == 2
    assert "--sheet 'png': contact sheets are made as pdf" in done.stderr
    assert not (ledger.folder.root / "report.html").exists()
