"""Content Credentials are found by the bytes, and by nothing that only looks like them."""

import io
import struct
import zlib

import pytest
from PIL import Image

from batchgen.export.content_credentials import is_signed
from tests.ledgers import picture_bytes

JUMBF = struct.pack(">I4s", 40, b"jumb") + struct.pack(">I4s", 24, b"jumd") + b"c2pa" + bytes(20)


def chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def signed(kind):
    plain = picture_bytes(3, kind)
    if kind == "PNG":
        return plain[:33] + chunk(b"caBX", JUMBF) + plain[33:]
    if kind == "JPEG":
        body = b"JP\0\1\0\0\0\1" + JUMBF
        return plain[:2] + b"\xff\xeb" + struct.pack(">H", len(body) + 2) + body + plain[2:]
    body = plain[12:] + b"C2PA" + struct.pack("<I", len(JUMBF)) + JUMBF
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_signed_picture_is_told_from_one_that_is_not(kind):
    assert is_signed(io.BytesIO(signed(kind)))
    assert not is_signed(io.BytesIO(picture_bytes(3, kind)))
    Image.open(io.BytesIO(signed(kind))).load()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_ends_anywhere_is_no_error(kind):
    whole = signed(kind)
    for end in range(len(whole)):
        is_signed(io.BytesIO(whole[:end]))


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"\xff\xd8\xff\xeb\0\0", b"\xff\xd8\xff\xeb\0\1abc", b"caBX" * 9])
def test_what_is_no_picture_is_not_signed(content):
    assert not is_signed(io.BytesIO(content))


def test_the_name_of_the_chunk_in_a_prompt_or_in_pixels_is_no_signature():
    plain = picture_bytes(3)
    assert not is_signed(io.BytesIO(plain[:33] + chunk(b"tEXt", b"parameters\0caBX jumb c2pa") + plain[33:]))
