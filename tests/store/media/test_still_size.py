"""A size that is read by hand is the one that Pillow reads; whatever is odd is left to Pillow."""

import io
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from batchgen.store.media.still_size import stated_size


def encoded(kind, mode="RGB", size=(57, 31), **how):
    stream = io.BytesIO()
    channels = len(Image.new(mode, (1, 1)).getbands())
    pixels = random.Random(0).randbytes(size[0] * size[1] * channels)
    Image.frombytes(mode, size, pixels).save(stream, kind, **how)
    return stream.getvalue()


PLAIN = {
    "PNG": encoded("PNG"),
    "PNG with transparency": encoded("PNG", "RGBA"),
    "PNG in grey": encoded("PNG", "L"),
    "PNG with a density": encoded("PNG", dpi=(300, 300)),
    "JPEG": encoded("JPEG"),
    "JPEG in grey": encoded("JPEG", "L"),
    "progressive JPEG": encoded("JPEG", progressive=True),
    "JPEG with a comment": encoded("JPEG", comment=b"made by hand"),
    "WEBP": encoded("WEBP"),
    "lossless WEBP": encoded("WEBP", lossless=True),
    "large WEBP": encoded("WEBP", size=(1025, 3)),
}


def name_of(title):
    return next(kind.lower() for kind in ("PNG", "JPEG", "WEBP") if kind in title)


def by_pillow(content):
    try:
        with Image.open(io.BytesIO(content)) as picture:
            return picture.size
    except Exception:  # noqa: BLE001 - of any type, on damaged bytes
        return None


@pytest.mark.parametrize("title", PLAIN)
def test_a_plain_picture_is_measured_as_pillow_measures_it(title):
    size = stated_size(name_of(title), PLAIN[title])
    assert size == by_pillow(PLAIN[title])
    assert size in {(57, 31), (1025, 3)}


TEXTS = PngImagePlugin.PngInfo()
TEXTS.add_text("prompt", "a mug", zip=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("png", encoded("PNG", pnginfo=TEXTS)),
        ("png", encoded("PNG", "P")),
        ("png", b"\x89PNG\r\n\x1a\n"),
        ("jpeg", encoded("JPEG", "CMYK")),
        ("jpeg", encoded("JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0")),
        ("jpeg", b"\xff\xd8\xff"),
        ("webp", encoded("WEBP", "RGBA")),
        ("webp", b"RIFF\0\0\0\0WEBP"),
        ("gif", encoded("GIF", "L")),
    ],
)
def test_what_is_not_plain_is_left_to_pillow(name, content):
    assert stated_size(name, content) is None


@settings(max_examples=400)
@given(st.sampled_from(sorted(PLAIN)), st.data())
def test_no_size_is_read_that_pillow_would_refuse_or_read_otherwise(title, data):
    content = bytearray(PLAIN[title])
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(12, min(len(content) - 1, 700)))
        content[place] = data.draw(st.integers(0, 255))
    size = stated_size(name_of(title), bytes(content))
    assert size is None or size == by_pillow(bytes(content))


@pytest.mark.parametrize("title", PLAIN)
def test_a_header_that_was_cut_has_no_size(title):
    content = PLAIN[title]
    for length in range(12, 60):
        size = stated_size(name_of(title), content[:length])
        assert size is None or size == by_pillow(content[:length])
