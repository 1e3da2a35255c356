"""Letters of many scripts on a picture: drawn where an installed font has them, and said in one line where none has."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from batchgen.report import fonts
from batchgen.report.fonts import advice, font_for
from batchgen.report.lettering import Lettering
from batchgen.report.sheets import write_sheets

# The last of the private characters: no font has a shape for it.
NOBODYS = "\U0010fffd"


def written(text, width=600):
    image = Image.new("RGB", (700, 60), "white")
    letters = Lettering(image)
    letters.write(text, (10, 10), width=width, lines=1, size=20)
    return image, letters.undrawn


@pytest.mark.parametrize(
    ("text", "package"),
    [
        ("茶壺と湯のみ", "fonts-noto-cjk"),
        ("찻주전자와 컵", "fonts-noto-cjk"),
        ("मेज पर चाय का प्याला", "fonts-noto-core"),
        ("كوب شاي على طاولة", "fonts-dejavu-core"),
        ("🫖 tea", "fonts-symbola"),
    ],
)
def test_a_script_is_drawn_in_a_font_that_has_it(text, package):
    if not all(font_for(one, 20) for one in text if one.isalnum() or ord(one) > 0x1F000):
        pytest.skip(f"no font for it here: apt-get install {package}")
    image, undrawn = written(text)
    assert undrawn == set()
    # Each letter has a shape of its own: a font's sign for what it lacks is always the same.
    assert image.tobytes() != written("\u2026" * len(text))[0].tobytes()
    assert ImageOps.invert(image).getbbox() is not None


def test_what_no_font_has_becomes_one_ellipsis_and_is_told():
    image, undrawn = written(f"a {NOBODYS}{NOBODYS} mug")
    assert undrawn == {NOBODYS}
    assert image.tobytes() == written("a \u2026 mug")[0].tobytes()


def test_an_accent_on_a_letter_that_no_font_has_goes_with_it():
    assert written(f"a {NOBODYS}\u0301 mug")[0].tobytes() == written("a \u2026 mug")[0].tobytes()


def test_text_that_is_cut_off_asks_for_no_font():
    assert written("mug " * 200 + NOBODYS)[1] == set()


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("", ""),
        (
            "\u8336",
            "1 character could not be drawn, no installed font has it (U+8336): install Noto Sans CJK (on Debian:",
        ),
        ("\ud55c\u3042", "install Noto Sans CJK (on Debian: fonts-noto-cjk)"),
        ("\u0915", "install Noto Sans (on Debian: fonts-noto-core)"),
        ("\U0001fad6", "install Symbola (on Debian: fonts-symbola)"),
        (
            "\u0915\u8336",
            "install Noto Sans (on Debian: fonts-noto-core) and Noto Sans CJK (on Debian: fonts-noto-cjk)",
        ),
        (
            "".join(map(chr, range(0x4E00, 0x4E09))),
            "9 characters could not be drawn, no installed font has them (U+4E00 U+4E01 U+4E02 U+4E03 U+4E04 …",
        ),
    ],
)
def test_the_advice_is_one_line_that_names_what_to_install(missing, said):
    line = advice(missing)
    assert said in line
    assert bool(line) == bool(missing)
    assert "\n" not in line


def test_a_machine_without_fontconfig_draws_what_it_can(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(fonts, "_asked", {})
    assert font_for("a", 20) is fonts.own_font(20)
    assert font_for(NOBODYS, 20) is None


def test_a_sheet_that_lacks_a_font_is_written_and_says_so_in_one_line(ledger):
    ledger.begin()
    ledger.store(ledger.request(f"mug {NOBODYS}"))
    assert NOBODYS in write_sheets(ledger.folder, "png").undrawn
    command = [
        Path(sys.executable).with_name("batchgen"),
        "report",
        str(ledger.folder.root),
        "--no-look",
        "--sheet",
        "png",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    (line,) = [line for line in done.stderr.splitlines() if "could not be drawn" in line]
    assert line.startswith("contact sheet: 1 character could not be drawn, no installed font has it (U+10FFFD)")
    assert done.stdout.splitlines()[-1].endswith("sheet-001.png")
