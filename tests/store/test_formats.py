"""What bytes are, judged by the bytes."""

import contextlib
import io
import random
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from batchgen.store.formats import MAX_PIXELS, NotAPicture, inspect

KINDS = {"PNG": "png", "JPEG": "jpg", "WEBP": "webp", "GIF": "gif", "TIFF": "tiff", "AVIF": "avif"}


def picture(kind, size=(120, 90)):
    stream = io.BytesIO()
    noise = random.Random(0).randbytes(size[0] * size[1] * 3)
    Image.frombytes("RGB", size, noise).save(stream, kind)
    return stream.getvalue()


PICTURES = {kind: picture(kind) for kind in KINDS}


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png_header(width, height):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(("kind", "extension"), KINDS.items())
def test_a_whole_picture_is_named_by_its_bytes(kind, extension):
    found = inspect(PICTURES[kind])
    assert found.extension == extension
    assert found.name == kind.lower()
    assert (found.width, found.height) in {(120, 90), (None, None)}


@pytest.mark.parametrize("missing", [1, 3, 100])
@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_that_was_cut_is_none(kind, missing):
    if kind in {"PNG", "JPEG"} and missing == 1:
        missing = 2
    with pytest.raises(NotAPicture):
        inspect(PICTURES[kind][:-missing])


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_few_bytes_behind_the_end_marker_do_not_spoil_a_picture(kind):
    assert inspect(PICTURES[kind] + b"\0\0encoder 1.0\n").name == kind.lower()


def box(kind, body):
    return struct.pack(">I", 8 + len(body)) + kind + body


FILM = box(b"ftyp", b"isom\0\0\2\0") + box(b"moov", bytes(50)) + box(b"mdat", bytes(200))


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (FILM, "mp4"),
        (box(b"ftyp", b"isom\0\0\2\0") + struct.pack(">I4sQ", 1, b"mdat", 216) + bytes(200), "mp4"),
        (box(b"ftyp", b"isom\0\0\2\0") + struct.pack(">I4s", 0, b"mdat") + bytes(200), "mp4"),
        (b"\x1a\x45\xdf\xa3" + bytes(60), "webm"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>\n", "svg"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg></svg>", "svg"),
    ],
)
def test_films_and_drawings_are_known(content, name):
    assert inspect(content).name == name


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0",
        b"<!doctype html><html><body>502 Bad Gateway</body></html>",
        b"<?xml version='1.0'?><html></html>",
        b'{"error": {"message": "expired"}}',
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xd9",
        b"RIFF\0\0\0\0WEBP",
        b"GIF89a;",
        b"II*\0",
        FILM[:-1],
        FILM[:4] + b"ftyp",
        PICTURES["PNG"][:8] + bytes(400) + PICTURES["PNG"][-12:],
    ],
)
def test_what_is_no_picture_says_what_it_is(content):
    with pytest.raises(NotAPicture, match=r"\w"):
        inspect(content)


@pytest.mark.parametrize("size", [(50_000, 50_000), (MAX_PIXELS // 1000 + 1, 1000)])
def test_a_decompression_bomb_is_refused_by_its_header(size):
    with pytest.raises(NotAPicture, match="pixels"):
        inspect(png_header(*size))


def test_the_largest_picture_is_no_bomb():
    assert inspect(png_header(MAX_PIXELS // 1000, 1000)).height == 1000


@given(kind=st.sampled_from(sorted(KINDS)), place=st.integers(0, 200), junk=st.binary(min_size=1, max_size=20))
def test_bytes_of_any_kind_are_a_picture_or_not_and_never_an_accident(kind, place, junk):
    content = bytearray(PICTURES[kind])
    content[place : place + len(junk)] = junk
    with contextlib.suppress(NotAPicture):
        inspect(bytes(content))
