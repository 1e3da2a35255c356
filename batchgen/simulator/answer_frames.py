"""Odd bytes around an answer: frames other than plain JSON, and encodings nobody asked for."""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

JSON = "application/json; charset=utf-8"
_EVENTS = "text/event-stream"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """An answer before it is framed. ``partial_b64`` is another picture: what a stream shows before the last one."""

    body: bytes
    picture: bytes
    picture_b64: str
    partial_b64: str
    media_type: str


Framed = tuple[str, bytes]


def _event(name: str, **fields: object) -> bytes:
    return b"event: %s\ndata: %s\n\n" % (name.encode(), msgspec.json.encode({"type": name, **fields}))


def _partials(contents: Contents) -> bytes:
    name = "image_generation.partial_image"
    return b"".join(_event(name, b64_json=contents.partial_b64, partial_image_index=index) for index in range(2))


def _openai_stream(contents: Contents) -> Framed:
    stated = msgspec.json.decode(contents.body, type=dict[str, msgspec.Raw])
    more = {name: stated[name] for name in ("usage", "cost") if name in stated}
    return _EVENTS, _partials(contents) + _event("image_generation.completed", b64_json=contents.picture_b64, **more)


FRAMES: Mapping[str, Callable[[Contents], Framed]] = {
    "sse": _openai_stream,
    "sse_partials_only": lambda contents: (_EVENTS, _partials(contents)),
    "sse_data": lambda contents: (_EVENTS, b": keep-alive\n\ndata: %s\n\ndata: [DONE]\n\n" % contents.body),
    "json_behind": lambda contents: (JSON, contents.body + b'{"status":"done"}'),
    "json_before": lambda contents: (JSON, b'{"status":"working"}\n' + contents.body),
    "lines_behind": lambda contents: (JSON, contents.body + b"\r\n\r\n-- \r\nserved by node 7\r\n"),
    "nul_behind": lambda contents: (JSON, contents.body + b"\0"),
    "white_space": lambda contents: (JSON, b" \n \n" + contents.body + b"\n\n"),
    "as_text": lambda contents: ("text/plain; charset=utf-8", contents.body),
    "as_html": lambda contents: ("text/html", contents.body),
    "picture": lambda contents: (contents.media_type, contents.picture),
    "picture_as_json": lambda contents: (JSON, contents.picture),
}


def _raw_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(body) + packer.flush()


def _brotli(body: bytes) -> bytes:
    """Return a Brotli stream of meta-blocks that are not compressed (RFC 7932 9.2): no library is needed for it."""
    blocks, window_bits = bytearray(), 1  # one bit 0: a window of 16 bits, in front of the first header only
    for start in range(0, len(body), 65_536):
        block = body[start : start + 65_536]
        header = ((len(block) - 1) << 3 | 1 << 19) << window_bits
        blocks += header.to_bytes(3, "little") + block
        window_bits = 0
    return bytes(blocks) + (b"\x03" if body else b"\x06")


def _zstd(body: bytes) -> bytes:
    """Return a Zstandard frame of raw blocks (RFC 8878 3.1.1): no library is needed for it."""
    frame = bytearray(b"\x28\xb5\x2f\xfd\xa0" + len(body).to_bytes(4, "little"))
    for start in range(0, len(body), 131_072):
        block = body[start : start + 131_072]
        last = start + len(block) == len(body)
        frame += (len(block) << 3 | last).to_bytes(3, "little") + block
    return bytes(frame) if body else bytes(frame + b"\x01\0\0")


def _latin1(body: bytes) -> bytes:
    """Return the JSON in Latin-1, with a letter in it that is no UTF-8 then."""
    text = body.decode("utf-8", "replace")
    if text.endswith("}"):
        text = f'{text[:-1]},"note":"café"}}'
    return text.encode("latin-1", "replace")


def _utf16(codec: str, mark: bytes) -> Callable[[bytes], bytes]:
    return lambda body: mark + body.decode("utf-8", "replace").encode(codec)


# The header that says so, and the bytes.
ENCODINGS: Mapping[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "deflate": ("deflate", zlib.compress),
    "raw_deflate": ("deflate", _raw_deflate),
    "br": ("br", _brotli),
    "zstd": ("zstd", _zstd),
    "gzip_unsaid": ("", gzip.compress),
    "gzip_twice": ("gzip, gzip", lambda body: gzip.compress(gzip.compress(body))),
    "bom": ("", lambda body: codecs.BOM_UTF8 + body),
    "utf16": ("", _utf16("utf-16-le", codecs.BOM_UTF16_LE)),
    "utf16_be": ("", _utf16("utf-16-be", codecs.BOM_UTF16_BE)),
    "latin1": ("", _latin1),
}
