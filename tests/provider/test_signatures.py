import io

import pytest
from PIL import Image

from batchgen.provider.signatures import is_whole, signature


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF"])
def test_a_whole_picture_is_told_from_one_that_was_cut(form):
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, form)
    content = buffer.getvalue()
    assert is_whole(content)
    assert signature(content[:64]) is not None
    # A TIFF states nowhere how long it is.
    assert is_whole(content[: len(content) * 2 // 3]) == (form == "TIFF")


@pytest.mark.parametrize(
    "content",
    [b"", b"no picture", b"<html></html>", b"<?xml version='1.0'?><Error/>", b"RIFF", b"\0\0\0\x01ftypisom", b"GIF89a"],
)
def test_what_only_begins_like_a_picture_is_none(content):
    assert not is_whole(content)


def test_a_drawing_ends_with_its_last_tag():
    assert is_whole(b"<?xml version='1.0'?><svg><path/></svg>\n")
    assert not is_whole(b"<svg><path/>")
