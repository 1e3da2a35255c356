"""Which fonts are looked for, and what is said of characters that none has."""

import os
import unicodedata

import pytest

from batchgen.report import fonts
from batchgen.report.fonts import Face, advice, faces_for

# The last of the private characters: no font has a shape for it.
NOBODYS = "\U0010fffd"


@pytest.fixture
def fontconfig(monkeypatch, tmp_path):
    """Puts a program in the place of fontconfig's; gives what makes it print lines."""

    def prints(*lines):
        program = tmp_path / "fc-match"
        program.write_text("#!/bin/sh\n" + "".join(f"printf '%s\\n' '{line}'\n" for line in lines))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    return prints


def test_only_fonts_with_characters_that_those_before_them_lack_are_taken(fontconfig):
    fontconfig(
        "0\t/fonts/sans.ttf\t20-7e a0",
        "0\t/fonts/sans-bold.ttf\t20-7e a0",
        "0\t/fonts/bitmap.pcf\t8336",
        "3\t/fonts/east.TTC\t4e00-9fff",
        "0\t/fonts/other.otf\t900-97f",
    )
    assert faces_for("a mug 茶") == [Face("/fonts/sans.ttf", 0), Face("/fonts/east.TTC", 3)]


def test_a_named_style_of_a_variable_font_is_the_font(fontconfig):
    fontconfig(f"{5 << 16 | 2}\t/fonts/variable.ttc\t41-5a")
    assert faces_for("A") == [Face("/fonts/variable.ttc", 2)]


def test_a_machine_without_fontconfig_has_the_font_of_macos_or_none(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(fonts, "_MACOS", tmp_path / "font.ttf")
    assert faces_for("a") == []
    (tmp_path / "font.ttf").touch()
    assert faces_for("a") == [Face(str(tmp_path / "font.ttf"))]


def test_fonts_are_found_here_that_have_what_they_were_taken_for():
    ttlib = pytest.importorskip("fontTools.ttLib")
    wanted = {"a", "é", "ж"}
    faces = faces_for(wanted | {NOBODYS})
    if not faces:
        pytest.skip("no fonts here: apt-get install fonts-dejavu-core fontconfig")
    had = set()
    for face in faces:
        with ttlib.TTFont(face.path, fontNumber=face.number) as font:
            had |= {one for one in wanted if ord(one) in font.getBestCmap()}
    assert had == wanted, [unicodedata.name(one) for one in wanted - had]


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("", ""),
        ("\u8336", "1 character is in no font of this machine (U+8336): install Noto Sans and Noto Sans CJK"),
        ("\u0915\u8336", "2 characters are in no font of this machine (U+0915 U+8336): install"),
        (
            "".join(map(chr, range(0x4E00, 0x4E09))),
            "9 characters are in no font of this machine (U+4E00 U+4E01 U+4E02 U+4E03 U+4E04 …)",
        ),
    ],
)
def test_the_advice_is_one_line_that_names_what_to_install(missing, said):
    line = advice(missing)
    assert said in line
    assert bool(line) == bool(missing)
    assert "\n" not in line
