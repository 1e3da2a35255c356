import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from batchgen.errors import BadName
from batchgen.manifest import Template, path_problem
from batchgen.planning.naming import folded, named_stem, opaque_stem

KEY = "9f3c21ab" + "0" * 24


def named(template, **values):
    return named_stem(Template(template), values)


def test_an_opaque_name_sorts_as_the_manifest_and_fills_folders_of_a_thousand():
    assert opaque_stem(123, KEY) == "images/00000/000000123-9f3c21ab"
    assert opaque_stem(999, KEY) == "images/00000/000000999-9f3c21ab"
    assert opaque_stem(1000, KEY) == "images/00001/000001000-9f3c21ab"


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("mug", "mug"),
        ("A blue Mug", "A-blue-Mug"),
        ("Café Zürich", "Cafe-Zurich"),
        ("openai/gpt-image-1", "openai-gpt-image-1"),
        ("../../etc/passwd", "etc-passwd"),
        ("C:\\x", "C-x"),
        ("-rf", "rf"),
        ("a.", "a"),
        ("a b\n\tc", "a-b-c"),
        ("x" * 119 + ".yyy", "x" * 119),
        ("google/gemini-2.5-flash", "google-gemini-2-5-flash"),
        ("1.5", "1-5"),
        ("mug.v2.png", "mug-v2"),
        ("inputs/Photo 1.JPEG", "inputs-Photo-1"),
        ("a.b.c", "a-b-c"),
        ("a\u2026b", "a---b"),
        ("1024x1024", "1024x1024"),
        ("\u72d0", "\u72d0"),
        ("赤い 狐, 水彩", "赤い-狐-水彩"),
        ("がぎぐ", "がぎぐ"),
        ("か\u3099", "が"),
        ("Ａ１", "A1"),
        ("Αλεπού με φτερά", "Αλεπού-με-φτερά"),
        ("лисица/ёж", "лисица-ёж"),
        ("한국어", "한국어"),
        ("हिन्दी", "हिन्दी"),
        ("ثعلب", "ثعلب"),
        ("Straße", "Straße"),
        ("naïve 狐", "naive-狐"),
        ("狐\ufe00", "狐"),
        ("狐" * 100, "狐" * 40),
    ],
)
def test_a_value_becomes_one_part_of_a_path(value, part):
    assert named("{a}", a=value) == f"images/{part}"
    assert named("sub/{a}-1", a=value) == f"images/sub/{part}-1"


@pytest.mark.parametrize("value", ["", "..", "/", "🦊", "\u202e", "---", ". .", "\u3164", "\ufe0f"])
def test_a_value_with_nothing_to_keep_is_told_rather_than_hidden(value):
    with pytest.raises(BadName, match="empty part"):
        named("{a}/x", a=value)


@pytest.mark.parametrize("value", ["CON", "nul", "com1"])
def test_a_name_that_a_system_has_taken_is_told(value):
    with pytest.raises(BadName):
        named("{a}", a=value)


@pytest.mark.parametrize(
    ("template", "stem"),
    [
        ("{a}", "mug"),
        ("{a}.png", "mug"),
        ("{a}.webp", "mug"),
        ("in/{a}-1.JPG", "in/mug-1"),
        ("{a}.v2", "mug.v2"),
    ],
)
def test_no_picture_has_two_suffixes(template, stem):
    assert named(template, a="mug.png") == f"images/{stem}"


TEMPLATES = st.sampled_from(["{a}", "{a}/{b}", "{a}-{b}", "x/{a}.{b}/y", "{b}{a}"])


@given(TEMPLATES, st.text(), st.text())
def test_whatever_the_values_a_name_stays_below_images_and_is_portable(template, first, second):
    assume(path_problem(template) is None)
    try:
        stem = named(template, a=first, b=second)
    except BadName:
        return
    head, *parts = stem.split("/")
    assert head == "images"
    assert len(parts) == template.count("/") + 1
    assert unicodedata.is_normalized("NFC", stem)
    for part in parts:
        assert part.isprintable()
        assert all(char in ".+=@-_" or unicodedata.category(char)[0] in "LMN" for char in part)
        assert part not in {".", ".."}
        assert not part.startswith("-")
        assert not part.endswith(".")
        assert len(part.encode()) <= 250


@given(st.text())
def test_both_unicode_forms_of_a_value_give_one_name(text):
    names = []
    for form in ("NFC", "NFD"):
        try:
            names.append(named("x{a}", a=unicodedata.normalize(form, text)))
        except BadName:
            names.append(None)
    assert names[0] == names[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("images/ΣΑΣ", "images/σας"),
        ("images/Mug", "images/mug"),
        ("images/caf\u00e9", "images/cafe\u0301"),
        ("images/ß", "images/SS"),
    ],
)
def test_names_that_some_system_takes_for_one_fold_to_one(one, other):
    assert folded(one) == folded(other)
