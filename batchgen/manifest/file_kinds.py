"""What the bytes of a file are, whatever its name says: a workbook, a web page, a pointer, rows of another kind."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.row_files import Piped, RowFile, open_bytes
from batchgen.manifest.values import PARAMETERS

_HEAD_BYTES = 64 * 1024
# A longer text is judged by its beginning.
_LARGEST_JSON = 16 * 1024 * 1024

_EXPORT = "export it as CSV (UTF-8) from the program that opens it"
_UNPACK = "unpack it, and give the file inside"


@dataclass(frozen=True, slots=True)
class FileKind:
    """What a file is, worded to follow "is", and what to do about it."""

    name: str
    way_out: str


_BEGINNINGS = (
    (b"\x1f\x8b", FileKind("packed by gzip", "rename it to end in .gz, as prompts.csv.gz, or unpack it with gunzip")),
    (b"\x28\xb5\x2f\xfd", FileKind("packed by zstd", "unpack it: zstd -d FILE")),
    (b"\xfd7zXZ\x00", FileKind("packed by xz", "unpack it: xz -dk FILE")),
    (b"BZh", FileKind("packed by bzip2", "unpack it: bunzip2 -k FILE")),
    (b"\x04\x22\x4d\x18", FileKind("packed by lz4", "unpack it: lz4 -d FILE")),
    (b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", _UNPACK)),
    (b"Rar!\x1a\x07", FileKind("a RAR archive", _UNPACK)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind("an old Office file, such as an .xls workbook", _EXPORT)),
    (b"PAR1", FileKind("a Parquet file", "export it: duckdb -c \"copy 'FILE' to 'prompts.csv'\"")),
    (b"ARROW1", FileKind("an Arrow file", "export it as CSV or JSONL")),
    (b"SQLite format 3\x00", FileKind("an SQLite database", 'export it: sqlite3 -csv -header FILE "select …"')),
    (b"%PDF-", FileKind("a PDF", "copy its prompts into a text file, one a line")),
    (b"{\\rtf", FileKind("a rich text document (RTF)", "save it as plain text (UTF-8)")),
    (b"bplist00", FileKind("a binary property list", "save it as plain text (UTF-8)")),
    (b"\x89PNG", FileKind("a picture (PNG)", "pictures to edit go into a column 'image'")),
    (b"\xff\xd8\xff", FileKind("a picture (JPEG)", "pictures to edit go into a column 'image'")),
    (b"GIF8", FileKind("a picture (GIF)", "pictures to edit go into a column 'image'")),
    (b"version https://git-lfs.github.com/spec/", FileKind("a Git LFS pointer, not the file", "run `git lfs pull`")),
    (b"/annex/objects/", FileKind("a git-annex pointer, not the file", "run `git annex get FILE`")),
)
_WEB_PAGE = FileKind("a web page, not a file of rows", "download the file itself; a page like this may ask to sign in")
_XML = FileKind("XML", "export it as CSV or JSONL")
_HTML = re.compile(
    rb"(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body|title|meta|script|table|div)\b",
    re.IGNORECASE | re.DOTALL,
)

_ARRAY = FileKind("a JSON array", "write one value a line: jq -c '.[]' FILE > prompts.jsonl")
_TEXTS = FileKind("a JSON array of texts", "write one text a line: jq -r '.[]' FILE > prompts.txt")
_OBJECT = FileKind("a JSON object", "write one object a line, as JSONL; a manifest in JSON may end in .yaml")
_LINES = FileKind("JSONL", "rename it to end in .jsonl")
_CSV = FileKind("CSV, with a header", "rename it to end in .csv")
_TSV = FileKind("tab-separated, with a header", "rename it to end in .tsv")
_MANIFEST = FileKind("a YAML manifest", "rename it to end in .yaml")

# Two of them at the beginning of lines are a manifest, not prompts.
_KEY = re.compile("(name|provider|prompt|rows|defaults|matrix|zip|repeat|output|limits|extends):( |$)", re.MULTILINE)
_COLUMN = re.compile(r"[\w .-]{1,40}")


def refuse_other_kind(file: RowFile, suffix: str, name: str, place: str = "") -> None:
    """Raise :class:`ManifestError` if the bytes of a file ending in ``suffix`` are none of that kind, or a merge was
    left unfinished in it.
    """
    if kind := kind_of(file, suffix):
        said = f"is {kind.name}"
        way = kind.way_out.replace("FILE", name)
        raise ManifestError([Problem(f"{name} {said}" if place else said, place or name, way)])
    if line := _conflict(file):
        said = "a merge conflict of git begins here: both sides would be bought"
        raise ManifestError(
            [Problem(said, f"{name}:{line}", "keep one side, and remove the lines with <<<, === and >>>")]
        )


def kind_of(file: RowFile, suffix: str = "") -> FileKind | None:
    """Return what a file is, if that is no text, or rows of another kind than ``suffix`` says; else ``None``."""
    with open_bytes(file) as content:
        head = content.read(_HEAD_BYTES)
    bare = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _zipped(file)
    if head[257:262] == b"ustar":
        return FileKind("a tar archive", _UNPACK)
    known = next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)
    if known is not None:
        return known
    if _HTML.match(bare):
        return _WEB_PAGE
    if bare.startswith((b"<?xml", b"<svg")):
        return _XML
    judge = _JUDGES.get(suffix)
    return judge(file, bare.decode(errors="replace")) if judge else None


def rows_kind(piped: Piped) -> str:
    """Return the suffix of a file with what was piped in: ``.jsonl``, ``.csv``, ``.tsv`` or ``.txt``."""
    text = piped.content[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().decode(errors="replace")
    if text.startswith("{"):
        return ".jsonl"
    header = _header(text)
    return {_CSV: ".csv", _TSV: ".tsv", None: ".txt"}[header]


def _zipped(file: RowFile) -> FileKind:
    # Slow to import, and few files are archives.
    import zipfile

    try:
        with open_bytes(file) as content, zipfile.ZipFile(content) as archive:
            names = archive.namelist()
            kind = archive.read("mimetype")[:80] if "mimetype" in names else b""
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError, ValueError):
        return FileKind("a ZIP archive that is cut short or broken", "copy or download it again")
    folders = {name.partition("/")[0] for name in names}
    if "xl" in folders:
        return FileKind("an Excel workbook", _EXPORT)
    if b"opendocument" in kind:
        return FileKind("an OpenDocument spreadsheet" if b"spreadsheet" in kind else "an OpenDocument file", _EXPORT)
    if "word" in folders:
        return FileKind("a Word document", "save it as plain text (UTF-8), one prompt a line")
    if any(name.endswith(".iwa") for name in names):
        return FileKind("a Numbers or Pages document", _EXPORT)
    return FileKind("a ZIP archive", _UNPACK)


def _json_kind(file: RowFile, text: str) -> FileKind | None:
    """Return which JSON a text is; ``None`` if it is none. One line of several is JSONL."""
    if text[:1] not in ("[", "{"):
        return None
    if _begins_with_an_object(text):
        return _LINES
    with open_bytes(file) as content:
        whole = content.read(_LARGEST_JSON).decode("utf-8-sig", errors="replace").lstrip()
    # The first line may be longer than the beginning that was looked at.
    if _begins_with_an_object(whole):
        return _LINES
    found = _parsed(whole)
    if isinstance(found, list):
        return _TEXTS if found and all(isinstance(one, str) for one in found) else _ARRAY
    return _OBJECT if isinstance(found, dict) else None


def _begins_with_an_object(text: str) -> bool:
    """Return whether the first line is one; JSON may hold U+2028 and other ends of lines that are none of JSONL."""
    return isinstance(_parsed(text.partition("\n")[0]), dict)


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _header(text: str) -> FileKind | None:
    """Return CSV or TSV if the first line is a header that names the prompt, or several request parameters."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    for delimiter, kind in ((",", _CSV), (";", _CSV), ("\t", _TSV)):
        try:
            names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter))]
        except (csv.Error, StopIteration):
            continue
        known = {name.lower() for name in names} & {*PARAMETERS}
        if ("prompt" in known or len(known) > 1) and all(map(_COLUMN.fullmatch, names)):
            return kind
    return None


def _yaml_kind(text: str) -> FileKind | None:
    return _MANIFEST if len({*_KEY.findall(text)}) > 1 else None


def _of_text(file: RowFile, text: str) -> FileKind | None:
    return _json_kind(file, text) or _header(text) or _yaml_kind(text)


def _of_table(file: RowFile, text: str) -> FileKind | None:
    return _json_kind(file, text) or (None if _header(text) else _yaml_kind(text))


def _of_tabs(file: RowFile, text: str) -> FileKind | None:
    found = _of_table(file, text)
    return found or (_CSV if _header(text) is _CSV and "\t" not in text and "," in text.partition("\n")[0] else None)


def _of_lines(file: RowFile, text: str) -> FileKind | None:
    kind = _json_kind(file, text)
    return (kind if kind is not _LINES else None) or _header(text) or _yaml_kind(text)


def _of_json(file: RowFile, text: str) -> FileKind | None:
    return _OBJECT if isinstance(_parsed(text), dict) else _json_kind(file, text)


_JUDGES: dict[str, Callable[[RowFile, str], FileKind | None]] = {
    ".txt": _of_text,
    ".csv": _of_table,
    ".tsv": _of_tabs,
    ".jsonl": _of_lines,
    ".json": _of_json,
}


def _conflict(file: RowFile) -> int:
    """Return the line of git's first mark of a conflict, if its other marks follow; else 0."""
    found = 0
    for number, line in _marks(file):
        if line.startswith(b"<<<<<<< "):
            found = found or number
        elif found:
            return found
    return 0


def _marks(file: RowFile) -> Iterator[tuple[int, bytes]]:
    with open_bytes(file) as lines:
        for number, line in enumerate(lines, start=1):
            if line.startswith((b"<<<<<<< ", b">>>>>>> ")):
                yield number, line
