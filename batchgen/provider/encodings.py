"""Content codings undone although none was asked for, and bytes read as text whatever their character set."""

from __future__ import annotations

import codecs
import importlib
import zlib
from collections.abc import Callable
from functools import partial
from types import ModuleType

# A body that inflates beyond this is left as it is.
LARGEST_BYTES = 256 << 20
_MOST_LAYERS = 4
# gzip's and Zstandard's files may be several, one behind the other.
_MOST_MEMBERS = 16

_GZIP, _ZSTD = b"\x1f\x8b\x08", b"\x28\xb5\x2f\xfd"
_GZIP_BITS, _ZLIB_BITS, _RAW_BITS = 31, 15, -15

_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
    (codecs.BOM_UTF8, "utf-8"),
)
# JSON begins with two ASCII characters: where their zeros are tells the character set (RFC 4627, section 3).
_ZEROS: dict[tuple[bool, ...], str] = {
    (True, True, True, False): "utf-32-be",
    (False, True, True, True): "utf-32-le",
    (True, False, True, False): "utf-16-be",
    (False, True, False, True): "utf-16-le",
}


def inflated(body: bytes, codings: str) -> bytes:
    """Return a body without the content codings that its header states or its first bytes show.

    What can't be undone, or would pass the cap, is returned as it is. A cut body gives what came of it.
    """
    for coding in reversed(codings.lower().split(",")[-_MOST_LAYERS:]):
        body = _undone(body, coding.strip())
    # Proxies lose the header, or state one coding of two.
    for _ in range(_MOST_LAYERS):
        inner = _undone(body, _shown(body))
        if inner is body:
            break
        body = inner
    return body


def text_of(body: bytes) -> str:
    """Return a body as text: Unicode by its mark, its zeros or its form, else Latin-1, which knows every byte."""
    for mark, charset in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(charset, "replace")
    wide = _ZEROS.get(tuple(byte == 0 for byte in body[:4]))
    if wide is not None:
        return body.decode(wide, "replace")
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body.decode("latin-1")


def _shown(body: bytes) -> str:
    """Return the coding that a body's first bytes show; no JSON, text or picture begins like one."""
    if body.startswith(_GZIP):
        return "gzip"
    if body.startswith(_ZSTD):
        return "zstd"
    is_zlib = body[:1] == b"x" and int.from_bytes(body[:2], "big") % 31 == 0
    return "deflate" if is_zlib else ""


def _undone(body: bytes, coding: str) -> bytes:
    undo = _UNDO.get(coding)
    whole = undo(body) if undo is not None else None
    return body if whole is None else whole


def _zlib(body: bytes, *, bits: int) -> bytes | None:
    parts, room = [], LARGEST_BYTES
    try:
        for _ in range(_MOST_MEMBERS):
            inflater = zlib.decompressobj(bits)
            parts.append(inflater.decompress(body, room))
            room -= len(parts[-1])
            if inflater.unconsumed_tail or room <= 0:
                return None
            if not inflater.eof and bits == _RAW_BITS:
                # Without a header or a checksum, only the end tells that this was deflated at all.
                return None
            body = inflater.unused_data
            if not body.startswith(_GZIP):
                break
    except zlib.error:
        return None
    return b"".join(parts)


def _deflate(body: bytes) -> bytes | None:
    """Return a deflated body inflated: with zlib's header, as the standard says, or without, as some servers do."""
    whole = _zlib(body, bits=_ZLIB_BITS)
    return whole if whole is not None else _zlib(body, bits=_RAW_BITS)


def _zstd(body: bytes) -> bytes | None:
    library = _library("compression.zstd") or _library("backports.zstd")
    if library is None:
        return None
    parts: list[bytes] = []
    room = LARGEST_BYTES
    try:
        for _ in range(_MOST_MEMBERS):
            decompressor = library.ZstdDecompressor()
            parts.append(decompressor.decompress(body, room))
            room -= len(parts[-1])
            if room <= 0:
                return None
            body = decompressor.unused_data if decompressor.eof else b""
            if not body.startswith(_ZSTD):
                break
    except library.ZstdError:
        return None
    return b"".join(parts)


def _brotli(body: bytes) -> bytes | None:
    library = _library("brotli")
    if library is None:
        return None
    parts: list[bytes] = []
    room = LARGEST_BYTES
    decompressor = library.Decompressor()
    try:
        # Brotli has no signature: what does not begin like it fails here.
        while room > 0 and not decompressor.is_finished():
            part = decompressor.process(body, output_buffer_limit=room)
            if not part and decompressor.can_accept_more_data():
                break
            body = b""
            parts.append(part)
            room -= len(part)
    except (library.error, TypeError):
        # TypeError: before 1.2 the output could not be bounded.
        return None
    return b"".join(parts) if room > 0 else None


def _library(name: str) -> ModuleType | None:
    """Return a library that may be missing: an answer it would read is then kept whole."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


_UNDO: dict[str, Callable[[bytes], bytes | None]] = {
    "gzip": partial(_zlib, bits=_GZIP_BITS),
    "x-gzip": partial(_zlib, bits=_GZIP_BITS),
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
