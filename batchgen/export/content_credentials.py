"""Whether a picture carries Content Credentials (C2PA), by where its bytes have room for them.

Services sign what they make. Whoever writes anything into such a file turns its credentials into "tampered", which is
worse than none; so exports leave the bytes as they are, and say which pictures are signed.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

# The columns of an export that say where its bytes come from.
SOURCE_COLUMN = "digital_source_type"
CREDENTIALS_COLUMN = "credentials"
ORIGINAL_COLUMN = "original_sha256"

# What the columns say: IPTC's terms for pictures that a model made, made from other pictures, or that were only drawn.
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MADE_BY_MODEL = f"{SOURCE_TYPE}trainedAlgorithmicMedia"
MADE_FROM_PICTURES = f"{SOURCE_TYPE}compositeWithTrainedAlgorithmicMedia"
DRAWN = f"{SOURCE_TYPE}algorithmicMedia"

SIGNED = "c2pa"
LOST = "c2pa, lost in conversion"

# A file with more parts than these before its pixels is not looked through to the end.
_MOST_PARTS = 1_000


def is_signed(stream: BinaryIO) -> bool:
    """Return whether the picture in ``stream`` has a C2PA manifest in its bytes; only the heads of its parts are read.

    Of formats other than PNG, JPEG and WebP the answer is no.
    """
    head = stream.read(12)
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        stream.seek(8)
        return _has_chunk(stream, b"caBX", big_endian=True)
    if head.startswith(b"\xff\xd8"):
        stream.seek(2)
        return _has_app11(stream)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        return _has_chunk(stream, b"C2PA", big_endian=False)
    return False


def _has_chunk(stream: BinaryIO, wanted: bytes, *, big_endian: bool) -> bool:
    """Look for a chunk of PNG (size, name, bytes, checksum) or of RIFF (name, size, bytes, padded to even)."""
    for _ in range(_MOST_PARTS):
        head = stream.read(8)
        if len(head) < 8:
            return False
        name, size = (head[4:], head[:4]) if big_endian else (head[:4], head[4:])
        if name == wanted:
            return True
        (length,) = struct.unpack(">I" if big_endian else "<I", size)
        stream.seek(length + 4 if big_endian else length + length % 2, 1)
    return False


def _has_app11(stream: BinaryIO) -> bool:
    """Look for a JUMBF box (ISO 19566-5) of C2PA in the segments before the pixels of a JPEG."""
    for _ in range(_MOST_PARTS):
        head = stream.read(4)
        # SOS: the pixels begin.
        if len(head) < 4 or head[0] != 0xFF or head[1] == 0xDA:
            return False
        length = struct.unpack(">H", head[2:])[0] - 2
        if head[1] == 0xEB:
            content = stream.read(length)
            if content.startswith(b"JP") and b"jumb" in content[:32]:
                return True
        else:
            stream.seek(length, 1)
    return False
