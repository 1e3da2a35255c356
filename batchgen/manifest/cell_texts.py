"""Questions about the text of one cell: is it a missing value, damaged, or more than one cell?"""

from __future__ import annotations

import re
from collections.abc import Iterator

from batchgen.wording import shown

# What pandas, Python, SQL, JavaScript and spreadsheets write for a value that is not there.
_MISSING = frozenset(
    {
        *("nan", "none", "null", "n/a", "<na>", "<nan>", "undefined", "(null)", "(blank)"),
        *("[object object]", "loading...", "loading…", "<none>", "#n/a", "#nv", "#n/d", "#null", "\\n"),
    }
)
# Errors of Excel, LibreOffice and Google Sheets in every language (#REF!, #¿NOMBRE?, Err:502), a column that is too
# narrow, and a formula that was not worked out.
_ERROR = re.compile(
    r"#[^\s#]{1,16}[!?]|#{3,}|Err:5[0-9]{2}|#?GETTING_DATA|\[object [A-Z]\w*\]|<[a-z_.]+ object at 0x[0-9a-f]+>"
    r"|=[A-Z][A-Z0-9.]*\(.*\)|=\$?[A-Z]{1,3}\$?[0-9].*",
    re.DOTALL,
)
ERROR_MARKS = frozenset("#=[<EG")

_BRACED = re.compile(r"\{\s*([^{}]+?)\s*\}")
_QUOTED = re.compile(r"\s+\".*\"\s*", re.DOTALL)

# The bytes 80 to BF as Windows-1252 and Latin-1 show them.
_REST = "\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"  # noqa: RUF001 - these very characters are meant
_SURELY = re.compile(f"[ÂÃ][{_REST}]|â€|ðŸ|ï¿½|ï»¿")
_PERHAPS = re.compile(f"[\u00c4-\u00df][{_REST}]|[\u00e0-\u00ef][{_REST}]{{1,2}}|[\u00f0-\u00f4][{_REST}]{{2,3}}")
_BYTES = {byte: bytes([byte]).decode("cp1252", "replace").replace("\ufffd", chr(byte)) for byte in range(256)}
_BYTE_OF = {ord(shown_as): byte for byte, shown_as in _BYTES.items()}


def missing_value(text: str) -> str | None:
    """Return how a value that is no value is written: ``empty``, or the word in quotes; ``None`` for any other text."""
    plain = text.strip()
    if not plain:
        return "empty"
    is_error = plain[0] in ERROR_MARKS and _ERROR.fullmatch(plain)
    return shown(text) if is_error or plain in {"NA", "NaT"} or plain.casefold() in _MISSING else None


def lost_letter(text: str) -> int:
    """Return at which character a letter was lost in a change of encoding, counted from 1; 0 if none was."""
    return text.find("\ufffd") + 1


def undone_encoding(text: str) -> str | None:
    """Return what ``text`` was before UTF-8 was read as Windows-1252, empty if unknown; ``None`` if it was not."""
    if not _SURELY.search(text) and len(_PERHAPS.findall(text)) < 2:
        return None
    try:
        return bytes(_BYTE_OF[ord(one)] for one in text).decode()
    except (KeyError, UnicodeDecodeError):
        return ""


def braces_in(text: str) -> Iterator[str]:
    """Yield the name in each pair of braces, without the blanks around it."""
    yield from (match[1] for match in _BRACED.finditer(text))


def is_quoted_after_blank(text: str) -> bool:
    """Return whether a text is in quotes behind blanks, which are then no quotes of the table."""
    return _QUOTED.fullmatch(text) is not None


def is_swallowing(text: str, delimiter: str, columns: int) -> bool:
    """Return whether a cell of a table with so many ``columns`` has line breaks and whole rows in it."""
    lines = [line for line in text.splitlines() if line.strip()]
    if columns < 2 or len(lines) < 2:
        return False
    # Words of a prompt have a blank behind a comma, and cells seldom.
    bare = [line.count(delimiter) - line.count(f"{delimiter} ") - line.endswith(delimiter) for line in lines]
    return sum(bare) >= (columns - 1) * (len(lines) - 1) and max(bare) >= columns - 1
