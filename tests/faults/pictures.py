"""Small real pictures, made by hand and different for each id, so that a stored file can be told from any other."""

import base64
import hashlib
import struct
import zlib

_JPEG = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PHtYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H////"
    "6/+b9//j/wAALCAAIAAgBAREA/8QAFAABAAAAAAAAAAAAAAAAAAAAAv/EABQQAQAAAAAAAAAAAAAAAAAAAAD/2gAIAQEAAD8AL//Z"
)
_WEBP = base64.b64decode("UklGRh4AAABXRUJQVlA4TBEAAAAvB8ABAAdQvCIXpf+BiOh/AAA=")


def make(number, kind="png", pad=0):
    """The picture for ``number``: as asked for, or one of the things a broken service sends instead of one."""
    match kind:
        case "png":
            return png(number, pad=pad)
        case "jpeg":
            return jpeg(number, pad)
        case "cut_jpeg":
            return jpeg(number, pad + 200)[:-100]
        case "cut_png":
            return png(number, pad=pad + 200)[:-100]
        case "webp":
            return webp(number, pad)
        case "bomb":
            return png(number, size=50_000, pixels=zlib.compress(bytes(100_000)))
        case "html":
            return b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"
        case "json":
            return b'{"error": "the picture is on its way"}'
        case "empty":
            return b""
    raise ValueError(kind)


def png(number, *, size=8, pixels=None, pad=0):
    colour = hashlib.sha256(str(number).encode()).digest()[:3]
    if pixels is None:
        pixels = zlib.compress((b"\0" + colour * size) * size)
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"tEXt", _comment(number, pad)), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in chunks)


def jpeg(number, pad=0):
    comment = _comment(number, min(pad, 60_000))
    return _JPEG[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + _JPEG[2:]


def webp(number, pad=0):
    comment = _comment(number, pad)
    body = _WEBP[8:] + b"note" + struct.pack("<I", len(comment)) + comment + b"\0" * (len(comment) % 2)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _comment(number, pad):
    return b"Comment\0picture " + str(number).encode() + b"." * pad
