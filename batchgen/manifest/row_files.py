"""The bytes of rows, read any number of times: a file, a file that gzip packed, or what was piped in."""

from __future__ import annotations

import io
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, TextIO, cast

from batchgen.errors import ManifestError, Problem
from batchgen.wording import printable

# The name that stands for what is piped in, as other programs have it.
STDIN = Path("-")

# What is piped in is kept in memory, since rows are read more than once.
_LARGEST_PIPED = 256 * 1024 * 1024
_CHUNK = 1 << 20
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Piped:
    """What was piped in, whole."""

    content: bytes = field(repr=False)


RowFile = Path | Piped


def open_bytes(file: RowFile) -> BinaryIO:
    """Return the open bytes of a file of rows, unpacked."""
    if isinstance(file, Piped):
        return io.BytesIO(file.content)
    if not is_packed(file):
        return file.open("rb")
    import gzip

    return cast("BinaryIO", gzip.open(file, "rb"))


def open_text(file: RowFile, newline: str | None = None) -> TextIO:
    """Return the open text of a file of rows: UTF-8, with or without a byte order mark."""
    return io.TextIOWrapper(open_bytes(file), encoding="utf-8-sig", newline=newline)


def is_packed(path: Path) -> bool:
    return path.suffix.lower() == ".gz"


def row_suffix(file: RowFile) -> str:
    """Return the suffix that says of which kind the rows are: ``.csv`` of ``prompts.csv.gz`` too."""
    if isinstance(file, Piped):
        return ""
    return Path(file.stem if is_packed(file) else file.name).suffix.lower()


def stem_of(path: Path) -> str:
    """Return what a run is called after its file."""
    if path == STDIN:
        return "stdin"
    return Path(path.stem).stem if is_packed(path) else path.stem


def piped_in() -> Piped:
    """Return what is piped into this process. Raise :class:`ManifestError` if that is nothing, or too much."""
    if sys.stdin is None or sys.stdin.isatty():
        said = "reads rows from a pipe, and nothing is piped in"
        raise ManifestError([Problem(said, "-", "such as `batchgen run - < prompts.jsonl`")])
    content = sys.stdin.buffer.read(_LARGEST_PIPED + 1)
    if len(content) > _LARGEST_PIPED:
        said = f"more than {_LARGEST_PIPED:,} bytes are piped in"
        raise ManifestError([Problem(said, "-", "write them to a file, and give its name")])
    if not content.strip():
        raise ManifestError([Problem("nothing is piped in", "-")])
    return Piped(content)


def refuse_address(path: Path, place: str = "") -> None:
    """Raise :class:`ManifestError` if ``path`` is the address of something that is not on this machine."""
    if found := _ADDRESS.fullmatch(str(path)):
        # A path has lost the second slash.
        address = printable(f"{found[1]}://{found[2]}")
        fetch = f"download it first: curl -LO {address}" if found[1] in ("http", "https") else "copy it here first"
        raise ManifestError([Problem(f"{address} is an address, and no file", place or "the command line", fetch)])


def refuse_broken_packing(path: Path, file: str, place: str = "") -> None:
    """Raise :class:`ManifestError` if a packed file is no gzip, or ends too early."""
    if not is_packed(path):
        return
    import gzip
    import zlib

    try:
        with gzip.open(path, "rb") as packed:
            while packed.read(_CHUNK):
                pass
    except gzip.BadGzipFile:
        said, way = "is not packed by gzip, as its name says", "rename it without .gz"
    except (EOFError, zlib.error):
        said, way = "is packed by gzip, and cut short or broken", "copy or download it again"
    else:
        return
    raise ManifestError([Problem(f"{file} {said}" if place else said, place or file, way)])
