"""Text on the pages of a PDF, read back."""

import io

import pytest
from fpdf import FPDF
from pypdf import PdfReader

from batchgen.report.fonts import Face, faces_for
from batchgen.report.lettering import Lettering, line_height

NOBODYS = "\U0010fffd"


def written(text, *, lines=1, width=100, faces=None):
    """What can be read of ``text``, and its lettering."""
    pdf = FPDF()
    pdf.c_margin = 0
    pdf.add_page()
    letters = Lettering(pdf, faces_for({*text, "a", "…", "\ufffd"}) if faces is None else faces, set(text))
    letters.write(text, (10, 10), width=width, lines=lines)
    return PdfReader(io.BytesIO(pdf.output())).pages[0].extract_text(), letters


def test_text_is_written_in_one_line_if_there_is_room():
    assert written("a mug\n on  a\ttable")[0] == "a mug on a table"


def test_long_text_is_cut_with_an_ellipsis_to_its_lines_and_width():
    read, _ = written("mug " * 200, lines=2, width=40)
    first, second = read.splitlines()
    assert first.rstrip().endswith("mug")
    assert second.endswith("…")
    assert len(read) < 80


def test_a_word_longer_than_its_place_is_broken():
    assert written("x" * 4_000, lines=3, width=20)[0].splitlines()[-1].endswith("x…")


@pytest.mark.parametrize("text", ["", " ", "\u200d", "\ufe0f"])
def test_nothing_is_no_text(text):
    assert written(text, faces=[])[0] == ""


def test_what_no_font_has_becomes_a_mark_and_is_told():
    read, letters = written(f"a {NOBODYS}{NOBODYS} mug")
    assert read == f"a {letters.mark * 2} mug"
    assert letters.undrawn == {NOBODYS}


def test_a_machine_without_fonts_writes_western_letters():
    read, letters = written("naïve “café” — 5 € 茶 \u200dmug", faces=[])
    assert read == "naïve “café” — 5 € ? mug"
    assert letters.undrawn == {"茶"}


def test_a_sign_wider_than_any_column_becomes_a_mark():
    assert written("\ufdfd mug", width=15)[1].undrawn == {"\ufdfd"}


# Its reader leaves the file to the garbage collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_font_that_cannot_be_read_is_passed_over(tmp_path):
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"\0\1\0\0 no font")
    assert written("a mug", faces=[Face(str(broken)), Face(str(tmp_path / "missing.ttf"))])[0] == "a mug"


@pytest.mark.parametrize("text", ["{nb} pages", "**bold** __x__", "(a\\) endobj", "<</JS (x)>>"])
def test_signs_that_mean_something_to_pdf_or_its_library_are_text(text):
    assert written(text)[0] == text


def test_scripts_from_right_to_left_stand_so_with_their_brackets():
    text = "שלום (עולם)"
    if not faces_for(text):
        pytest.skip("no font for it here: apt-get install fonts-dejavu-core")
    pdf = FPDF()
    pdf.add_page()
    seen = []
    pdf.cell = lambda width, height, line: seen.append(line)
    letters = Lettering(pdf, faces_for({*text}), set(text))
    letters.write(text, (10, 10), width=100, lines=1)
    letters.close()
    assert seen == ["(" + "עולם"[::-1] + ") " + "שלום"[::-1]]


def test_lines_are_as_high_as_their_letters():
    assert line_height(14) == pytest.approx(2 * line_height(7))
    assert line_height(10) > 10 * 25.4 / 72
