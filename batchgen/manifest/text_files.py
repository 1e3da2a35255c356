"""Opening the files a user names: whatever is no readable text file is refused before anything is parsed."""

from __future__ import annotations

import stat
from pathlib import Path

from batchgen.errors import ManifestError, Problem, nearest
from batchgen.manifest.row_files import RowFile, open_bytes
from batchgen.wording import printable

# How files of other encodings begin; the longer marks begin with the shorter ones.
_MARKS = {
    b"\xff\xfe\0\0": "UTF-32",
    b"\0\0\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
# 20,000 rows of YAML are about 3 MB; more rows than this belong into a CSV.
LARGEST_JOB_FILE = 128 * 1024 * 1024

_PIPE = "is not a regular file but a pipe, which can be read only once"


def refuse_unless_readable(path: Path, file: str, place: str = "") -> None:
    """Raise :class:`ManifestError` unless ``path`` is a regular file with something in it that we may read."""
    problem = _problem(path, printable(file), place)
    if problem:
        raise ManifestError([problem])


def inside(folder: Path, path: Path) -> Path:
    """Return ``path``. Raise :class:`ValueError`, worded to follow its name, unless it lies in ``folder``."""
    try:
        if path.resolve().is_relative_to(folder.resolve()):
            return path
    # A name that is too long, a ring of links, a folder that is closed.
    except (OSError, RuntimeError, ValueError):
        raise ValueError("must be the name of a file") from None
    raise ValueError(f"must lie inside the manifest's folder {printable(str(folder.resolve()))}")


def job_text(path: Path, file: str) -> str:
    """Return the whole text of a job file. Raise :class:`ManifestError` if it is no UTF-8 or too large."""
    size = path.stat().st_size
    if size > LARGEST_JOB_FILE:
        raise ManifestError(
            [Problem(f"the job file has {size:,} bytes; {LARGEST_JOB_FILE:,} at most", file, "put the rows into a CSV")]
        )
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise not_utf8(path, file) from None


def not_utf8(path: RowFile, file: str) -> ManifestError:
    """Return the error that names the first line of ``path`` which is no UTF-8."""
    with open_bytes(path) as lines:
        for number, line in enumerate(lines, start=1):
            encoding = next((name for mark, name in _MARKS.items() if line.startswith(mark)), "")
            if number == 1 and encoding:
                return ManifestError([Problem(f"the file is {encoding}, not UTF-8", f"{file}:1", "save it as UTF-8")])
            try:
                line.decode()
            except UnicodeDecodeError as error:
                message = f"byte {error.start + 1} of this line (0x{line[error.start]:02x}) is no UTF-8"
                return ManifestError([Problem(message, f"{file}:{number}", "save the file as UTF-8")])
    return ManifestError([Problem("the file is no UTF-8", file, "save the file as UTF-8")])


def _problem(path: Path, file: str, place: str) -> Problem | None:
    message = _unreadable(path)
    if message is None:
        return None
    suggestion = _neighbour(path) if message == "not found" else ""
    if message == _PIPE:
        suggestion = "write it to a file first; rows may be piped in: `… | batchgen run -`"
    return Problem(f"{file} {message}" if place else message, place or file, suggestion)


def _unreadable(path: Path) -> str | None:
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            return "is a directory, not a file"
        if stat.S_ISFIFO(status.st_mode):
            return _PIPE
        if not stat.S_ISREG(status.st_mode):
            return "is not a regular file"
        if not status.st_size:
            return "is empty"
        path.open("rb").close()
    except (FileNotFoundError, NotADirectoryError):
        return "not found"
    except (OSError, ValueError) as error:
        return f"can't be read: {getattr(error, 'strerror', None) or 'no valid path'}"
    return None


def _neighbour(path: Path) -> str:
    try:
        return nearest(path.name, (other.name for other in path.parent.iterdir()))
    except OSError:
        return ""
