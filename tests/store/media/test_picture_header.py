"""What a picture says of itself is what Pillow reads in it, and a part of a picture is never taken for a whole."""

import io
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from batchgen.store.media.picture_header import BrokenPicture, read_header
from tests.photos import drawing, mask, photo

KINDS = ("png", "jpeg", "webp", "gif", "tiff")


def saved(picture, kind, **more):
    stream = io.BytesIO()
    picture.save(stream, kind, **more)
    return stream.getvalue()


WHOLE = {kind: photo(kind) for kind in KINDS}
WHOLE |= {
    "lossless": saved(drawing(mode="RGBA"), "webp", lossless=True),
    "progressive": saved(drawing(), "jpeg", progressive=True, quality=90),
    "animated": saved(drawing(), "webp", save_all=True, append_images=[drawing(note=1)]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kind_and_size_are_those_that_a_decoder_finds(kind):
    header = read_header(photo(kind, size=(123, 45)))
    assert (header.kind, header.size) == (kind, (123, 45))
    assert (header.cmyk, header.animated) == (False, False)


@pytest.mark.parametrize("name", WHOLE)
def test_half_a_picture_is_cut_off(name):
    content = WHOLE[name]
    assert read_header(content)
    with pytest.raises(BrokenPicture, match=r"is cut off: its end is missing after [0-9,]+ bytes"):
        read_header(content[: len(content) // 2])


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_no_beginning_of_a_picture_is_a_picture(name, data):
    content = WHOLE[name]
    # The last byte of a strip or of padding may be missed by nobody.
    length = data.draw(st.integers(12, len(content) - 3))
    if name != "tiff":
        with pytest.raises(BrokenPicture):
            read_header(content[:length])


@given(st.sampled_from(sorted(WHOLE)), st.data())
def test_damaged_bytes_raise_nothing_but_that_they_are_damaged(name, data):
    content = bytearray(WHOLE[name])
    for _ in range(data.draw(st.integers(1, 20))):
        content[data.draw(st.integers(12, len(content) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BrokenPicture):
        read_header(bytes(content))


def test_a_png_with_a_wrong_byte_in_its_pixels_is_damaged():
    content = bytearray(photo())
    content[len(content) // 2] ^= 1
    with pytest.raises(BrokenPicture, match="is damaged: a check sum is wrong"):
        read_header(bytes(content))


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_camera_puts_behind_the_end_is_left_alone(kind):
    assert read_header(photo(kind) + b"\0\0\0\x18ftypmp42 a film of the moment" * 100)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp", "tiff"])
def test_the_orientation_is_that_of_the_exif_data(kind, orientation):
    assert read_header(photo(kind, orientation=orientation)).orientation == orientation


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (photo("jpeg", mode="CMYK"), {"cmyk": True}),
        (photo("tiff", mode="CMYK"), {"cmyk": True}),
        (saved(Image.new("I;16", (8, 8)), "png"), {"bits": 16}),
        (mask(), {"alpha": True}),
        (mask(kind="webp"), {"alpha": True}),
        (mask(kind="tiff"), {"alpha": True}),
        (saved(drawing(mode="P"), "png", transparency=0), {"alpha": True}),
        (saved(drawing(mode="P"), "gif", transparency=0), {"alpha": True}),
        (saved(drawing(mode="LA"), "png"), {"alpha": True}),
        (photo(), {"alpha": False}),
        *(
            (saved(drawing(), kind, save_all=True, append_images=[drawing(note=9)]), {"animated": True})
            for kind in ("png", "gif", "webp", "tiff")
        ),
    ],
)
def test_what_services_see_otherwise_than_people_is_told(content, said):
    header = read_header(content)
    assert {name: getattr(header, name) for name in said} == said


def test_a_decompression_bomb_is_too_large_before_anybody_decodes_it():
    content = bytearray(saved(Image.new("L", (8, 8)), "gif"))
    content[6:10] = b"\xff\xff\xff\xff"
    with pytest.raises(BrokenPicture, match="is too large: 65535x65535, and a picture has 100 million pixels at most"):
        read_header(bytes(content))


@pytest.mark.parametrize("content", [b"", b"hello", b"BM", b"%PDF-1.7", b"\0\0\0\x18ftypheic"])
def test_other_files_are_no_pictures(content):
    assert read_header(content) is None
