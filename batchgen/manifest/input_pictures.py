"""Input pictures and masks as files: whether one may be sent, judged by where it lies and what it says of itself."""

from __future__ import annotations

import binascii
import os
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from batchgen.errors import nearest
from batchgen.manifest.picture_references import LARGEST_IMAGE, image_problem
from batchgen.manifest.values import Value
from batchgen.store.media.picture_header import BrokenPicture, PictureHeader, read_header
from batchgen.wording import printable, shown

_PICTURES = ("image", "mask")

# With other mistakes in a manifest, so many pictures are read to show some of theirs too.
_MOST_READ = 500

# The names of files that say what is in them; other names promise nothing.
_SUFFIXES = {
    **dict.fromkeys((".png", ".apng"), "png"),
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "jpeg"),
    **dict.fromkeys((".tif", ".tiff"), "tiff"),
    **dict.fromkeys((".heic", ".heif"), "heic"),
    **{f".{kind}": kind for kind in ("webp", "gif", "avif", "bmp", "svg", "pdf", "psd")},
}
_SHOWN_KINDS = {"png": "a PNG", "jpeg": "a JPEG", "webp": "a WebP", "gif": "a GIF", "tiff": "a TIFF"}
# Files that users offer as pictures and no service takes.
_OTHERS = (
    (b"%PDF", "a PDF"),
    (b"BM", "a BMP"),
    (b"<svg", "an SVG drawing"),
    (b"<?xml", "XML, perhaps an SVG drawing"),
    (b"<!DOCTYPE", "a web page"),
    (b"<html", "a web page"),
    (b"8BPS", "a Photoshop file"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"version https://git-lfs", "a pointer of Git LFS, whose file was not fetched"),
)
_BRANDS = {b"heic": "HEIC", b"heix": "HEIC", b"mif1": "HEIC", b"avif": "AVIF", b"avis": "AVIF", b"crx ": "a raw photo"}


class InputRefused(Exception):
    """An input can't be sent; the message says which one and why."""


class PictureCheck:
    """Called with the values of a row, or of the whole manifest, returns what is wrong with the pictures among them.

    Each picture is judged once. What its text alone says against it is left to :func:`check_value`.
    """

    def __init__(self, folder: Path, *, allow_outside: bool) -> None:
        self._folder = folder
        self._allow_outside = allow_outside
        self._judged: set[str] = set()
        self._left = _MOST_READ

    def __call__(self, values: Mapping[str, Value]) -> list[str]:
        found = (self._judge(source) for name in _PICTURES for source in _listed(values.get(name)))
        return [problem for problem in found if problem]

    def _judge(self, source: str) -> str | None:
        if source in self._judged or image_problem(source):
            return None
        self._judged.add(source)
        self._left -= 1
        return picture_problem(self._folder, source, allow_outside=self._allow_outside, looks_inside=self._left >= 0)


def picture_problem(folder: Path, source: str, *, allow_outside: bool = False, looks_inside: bool = True) -> str | None:
    """Return why ``source`` (a path, an https URL or a data URI) can't be sent; else ``None``."""
    try:
        if problem := image_problem(source):
            return f"an input {problem}"
        if is_data_uri(source):
            judged(source, data_of(source))
        elif not is_url(source):
            with readable(source):
                path = picture_file(folder, source, allow_outside=allow_outside)
                if looks_inside:
                    judged(source, path.read_bytes())
    except InputRefused as refused:
        return str(refused)
    return None


def is_url(source: str) -> bool:
    """Return whether an input is an https URL; else it is a path or a data URI."""
    return source[:6].lower() == "https:"


def is_data_uri(source: str) -> bool:
    """Return whether an input is a data URI."""
    return source[:5].lower() == "data:"


def data_of(uri: str) -> bytes:
    """Return what a sound data URI carries."""
    return binascii.a2b_base64(uri.partition(",")[2])


def short_uri(uri: str) -> str:
    """Return a data URI as it is shown and kept: its beginning."""
    return f"{uri[:40]}…"


@contextmanager
def readable(source: str) -> Iterator[None]:
    """Raise :class:`InputRefused` for what the file system raises while the block reads ``source``."""
    try:
        yield
    # A name that is too long, a folder that is closed, a NUL, a ring of links.
    except (OSError, ValueError, RuntimeError) as error:
        why = os.strerror(error.errno).lower() if isinstance(error, OSError) and error.errno else str(error)
        raise InputRefused(f"{shown(source)} can't be read: {why}") from error


def picture_file(folder: Path, source: str, *, allow_outside: bool) -> Path:
    """Return the file ``source`` names, relative to ``folder``. Raise :class:`InputRefused` or :class:`OSError`."""
    root = folder.resolve()
    path = (root / source).resolve()
    if not allow_outside and not path.is_relative_to(root):
        lies = f"{shown(source)} lies outside the manifest's folder {printable(str(root))}"
        raise InputRefused(f"{lies}; copy it there, or allow it with --allow-outside")
    if not path.exists():
        raise InputRefused(f"{shown(source)}: there is no such file in {printable(str(root))}{_meant(path, source)}")
    if not path.is_file():
        raise InputRefused(f"{shown(source)} is no regular file")
    size = path.stat().st_size
    if size > LARGEST_IMAGE:
        raise InputRefused(f"{shown(source)} has {size:,} bytes, the service takes up to {LARGEST_IMAGE:,}")
    return path


def judged(source: str, content: bytes) -> PictureHeader:
    """Return what the picture ``source`` says of itself. Raise :class:`InputRefused` if it can't be sent."""
    name = short_uri(source) if is_data_uri(source) else source
    if not content:
        raise InputRefused(f"{shown(name)} is empty")
    try:
        header = read_header(content)
    except BrokenPicture as broken:
        raise InputRefused(f"{shown(name)} {broken}") from None
    if header is None:
        raise InputRefused(f"{shown(name)} is no picture (png, jpeg, webp, gif, tiff): {_looks(content[:_HEAD_BYTES])}")
    if (said := _said(source)) and said != header.kind:
        advice = f"; rename it to end in .{_EXTENSIONS[header.kind]}" if not is_data_uri(source) else ""
        raise InputRefused(f"{shown(name)} is {_SHOWN_KINDS[header.kind]} under the name of another type{advice}")
    return header


def _said(source: str) -> str | None:
    """Return the kind of picture that the name of a file, or a data URI, says it is."""
    if is_data_uri(source):
        return _SUFFIXES.get("." + source[len("data:image/") :].partition(";")[0].lower())
    return _SUFFIXES.get(PurePosixPath(source).suffix.lower())


_EXTENSIONS = {"png": "png", "jpeg": "jpg", "webp": "webp", "gif": "gif", "tiff": "tiff"}
# Enough to tell what a file is that is no picture.
_HEAD_BYTES = 64


def _listed(value: Value | None) -> tuple[str, ...]:
    return () if not value else (value,) if isinstance(value, str) else value


def _looks(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return f"it is {_BRANDS.get(head[8:12], 'a film')}"
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    known = next((what for signature, what in _OTHERS if text.startswith(signature.lower())), None)
    return f"it is {known}" if known else f"it begins with {head[:16]!r}"


def _meant(path: Path, source: str) -> str:
    if "\\" in source:
        return "; write '/' between folders"
    if source.lower().startswith("www."):
        return "; an address begins with https://"
    if source.startswith("~"):
        return "; '~' is not replaced"
    try:
        names = os.listdir(path.parent)  # noqa: PTH208 - names only
    except OSError:
        return ""
    composed = unicodedata.normalize("NFC", path.name)
    if any(unicodedata.normalize("NFC", name) == composed for name in names):
        return "; one there looks the same and is written in another Unicode form"
    hint = nearest(path.name, names)
    return f"; {hint}" if hint else ""
