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

from batchgen.store.media.sniff import MAX_PIXELS, Format, NotAPicture, inspect

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


def full(kind, *parts):
    return box(kind, bytes(4) + b"".join(parts))


def index(*, handler=b"vide", samples=200, length=3000, sizes=(320, 180)):
    """The index of a film of ``samples`` bytes; only what is looked at is true."""
    table = box(b"stbl", full(b"stsz", struct.pack(">III", 0, 1, samples)))
    media = box(b"mdia", full(b"hdlr", bytes(4), handler) + box(b"minf", table))
    track = full(b"tkhd", bytes(72), struct.pack(">II", *(side << 16 for side in sizes)))
    movie = full(b"mvhd", struct.pack(">4I", 0, 0, 1000, length), bytes(80))
    return box(b"moov", movie + box(b"trak", track + media))


def long_index():
    movie = box(b"mvhd", b"\x01\0\0\0" + struct.pack(">QQIQ", 0, 0, 600, 1500) + bytes(80))
    return box(b"moov", movie + index()[8 + 108 :])


HEAD = box(b"ftyp", b"isom\0\0\2\0isommp41")
FILM = HEAD + index() + box(b"mdat", bytes(200))


def element(name, body, size=None):
    name = bytes.fromhex(name)
    return name + (struct.pack(">Q", (len(body) if size is None else size) | 1 << 56)) + body


UNKNOWN = (1 << 56) - 1
EBML = element("1a45dfa3", element("4282", b"webm"))
INFO = element("1549a966", element("2ad7b1", b"\x0f\x42\x40") + element("4489", struct.pack(">f", 1250.0)))


def tracks(more=b""):
    return element(
        "1654ae6b", element("ae", element("e0", element("b0", b"\x02\x80") + element("ba", b"\x01\x68") + more))
    )


SHOWN = element("54b0", b"\x04\xb0") + element("54ba", b"\x01\xe0")
TRACKS = tracks()
CLUSTER = element("1f43b675", element("a3", bytes(90)))
LIVE = element("1f43b675", element("a3", bytes(90)), UNKNOWN)
WEBM = EBML + element("18538067", INFO + TRACKS + CLUSTER + CLUSTER)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (FILM, Format("mp4", "mp4", 320, 180, 3000)),
        (HEAD + box(b"mdat", bytes(200)) + index(), Format("mp4", "mp4", 320, 180, 3000)),
        (HEAD + long_index() + box(b"mdat", bytes(9)), Format("mp4", "mp4", 320, 180, 2500)),
        (HEAD + index() + struct.pack(">I4sQ", 1, b"mdat", 216) + bytes(200), Format("mp4", "mp4", 320, 180, 3000)),
        (HEAD + index() + struct.pack(">I4s", 0, b"mdat") + bytes(200), Format("mp4", "mp4", 320, 180, 3000)),
        (HEAD + index(length=0) + box(b"mdat", bytes(9)), Format("mp4", "mp4", 320, 180, None)),
        (HEAD + index(length=2**32 - 1, sizes=(0, 0)) + box(b"mdat", bytes(9)), Format("mp4", "mp4")),
        (box(b"ftyp", b"qt  \0\0\2\0") + FILM[len(HEAD) :], Format("mov", "mov", 320, 180, 3000)),
        (WEBM, Format("webm", "webm", 640, 360, 1250)),
        (EBML + element("18538067", INFO + TRACKS + LIVE + LIVE, UNKNOWN), Format("webm", "webm", 640, 360, 1250)),
        (
            EBML + element("18538067", INFO + tracks(SHOWN) + CLUSTER),
            Format("webm", "webm", 1200, 480, 1250),
        ),
        (
            EBML + element("18538067", INFO + tracks(SHOWN + element("54b2", b"\0")) + CLUSTER),
            Format("webm", "webm", 1200, 480, 1250),
        ),
        (
            EBML + element("18538067", INFO + tracks(SHOWN + element("54b2", b"\3")) + CLUSTER),
            Format("webm", "webm", 640, 360, 1250),
        ),
        (
            EBML + element("18538067", INFO + tracks(element("54b0", b"\x04\xb0")) + CLUSTER),
            Format("webm", "webm", 1200, 360, 1250),
        ),
        (
            element("1a45dfa3", element("4282", b"matroska")) + element("18538067", TRACKS + CLUSTER),
            Format("mkv", "mkv", 640, 360, None),
        ),
    ],
)
def test_a_whole_film_says_how_large_and_how_long_it_is(content, found):
    assert inspect(content) == found


@pytest.mark.parametrize("film", [FILM, WEBM, HEAD + box(b"mdat", bytes(200)) + index()])
def test_a_film_that_was_cut_anywhere_is_none(film):
    for length in range(1, len(film)):
        with pytest.raises(NotAPicture):
            inspect(film[:length])


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (HEAD + box(b"mdat", bytes(200)), "without an index"),
        (HEAD + index(), "without any pictures"),
        (HEAD + index(handler=b"soun") + box(b"mdat", bytes(9)), "without a track of pictures"),
        (HEAD + index() + struct.pack(">I4s", 0, b"mdat") + bytes(199), "of 200 bytes that has only 199"),
        (EBML + element("18538067", INFO + TRACKS), "without any pictures"),
        (EBML + element("18538067", INFO + CLUSTER), "without a track of pictures"),
        (EBML + element("18538067", INFO + TRACKS + LIVE[:-1], UNKNOWN), "ends too early"),
        (b"\x1a\x45\xdf\xa3" + bytes(60), "begins with"),
    ],
)
def test_what_a_film_lacks_is_said(content, why):
    with pytest.raises(NotAPicture, match=why):
        inspect(content)


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "content",
    [
        HEAD + struct.pack(">I4s", 8, b"free") * 4_000_000,
        HEAD + box(b"moov", struct.pack(">I4s", 8, b"free") * 4_000_000),
        EBML + element("18538067", b"\xec\x80" * 8_000_000),
        EBML + element("18538067", INFO + TRACKS + element("1f43b675", b"\xec\x80" * 8_000_000, UNKNOWN), UNKNOWN),
    ],
    ids=["boxes", "boxes in the index", "elements", "elements of a cluster"],
)
def test_a_file_made_to_keep_a_reader_busy_is_given_up(content):
    with pytest.raises(NotAPicture, match="of more than 500,000 parts"):
        inspect(content)


@pytest.mark.parametrize(
    ("brands", "name"),
    [(b"avif\0\0\0\0mif1", "avif"), (b"mif1\0\0\0\0avif", "avif"), (b"heic\0\0\0\0mif1", "heic")],
)
def test_a_picture_in_boxes_is_told_from_a_film_by_its_brands(brands, name):
    assert inspect(box(b"ftyp", brands) + box(b"meta", bytes(40))).name == name


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>\n", "svg"),
        (b"\xef\xbb\xbf<?xml version='1.0'?>\n<svg></svg>", "svg"),
    ],
)
def test_drawings_are_known(content, name):
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


@given(film=st.sampled_from([FILM, WEBM]), place=st.integers(0, 400), junk=st.binary(min_size=1, max_size=20))
def test_a_film_with_junk_in_it_is_a_film_or_none_and_never_an_accident(film, place, junk):
    content = bytearray(film)
    content[place : place + len(junk)] = junk
    with contextlib.suppress(NotAPicture):
        inspect(bytes(content))


@given(kind=st.sampled_from(sorted(KINDS)), place=st.integers(0, 200), junk=st.binary(min_size=1, max_size=20))
def test_bytes_of_any_kind_are_a_picture_or_not_and_never_an_accident(kind, place, junk):
    content = bytearray(PICTURES[kind])
    content[place : place + len(junk)] = junk
    with contextlib.suppress(NotAPicture):
        inspect(bytes(content))


@pytest.mark.parametrize("kind", KINDS)
def test_a_shortage_of_memory_says_nothing_of_a_picture(kind, monkeypatch):
    def open_nothing(_):
        raise MemoryError

    monkeypatch.setattr(Image, "open", open_nothing)
    if kind not in {"GIF", "TIFF"}:
        # Pillow is not asked.
        assert inspect(PICTURES[kind])
        return
    with pytest.raises(MemoryError):
        inspect(PICTURES[kind])
