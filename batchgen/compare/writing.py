"""The page as files of the run folder: it opens from disk, needs no server and sends nothing.

``compare.html`` is beside the pictures, everything else in ``compare/``: the page's own scripts, the rows in files of
10,000, the details of 1,000 rows each, loaded when one of them comes into sight, the thumbnails, and the votes cast so
far, so that the next voter is shown the pairs that need one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from batchgen.compare import votes
from batchgen.compare.entries import About, Entry, Shot, read_about, read_entries
from batchgen.compare.page_columns import GONE, PlacedEntry, batch, details, edited_by
from batchgen.encoding import json_text
from batchgen.store.folder.atomic import make_folder, replace_synced
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.inputs.copies import InputCopies
from batchgen.store.ledger.records import snapshot
from batchgen.store.looks.flags import Checks, checks
from batchgen.store.looks.index import seen
from batchgen.store.looks.thumbnails import Thumbnails, picture_inside
from batchgen.store.looks.worker import Look
from batchgen.store.looks.workers import LookWorkers
from batchgen.store.pictures.original_files import OriginalFiles

ROWS_A_FILE = 10_000
DETAILS_A_FILE = 1_000
# The newest votes show well enough which pairs need one; a million votes would take longer to load than the rows.
VOTES = 20_000

# The page may load its own files only; a page from disk connects to nothing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; connect-src {connect}; "
    "base-uri 'none'; form-action 'none'"
)


@dataclass(frozen=True, slots=True)
class WrittenPage:
    """The page, how many entries it shows, and how many of their pictures have no thumbnail, with one reason why."""

    page: Path
    entries: int
    without_thumbnail: int
    problem: str


@dataclass(frozen=True, slots=True)
class ThumbnailProgress:
    """How many of the wanted thumbnails are done."""

    done: int
    wanted: int


def write_page(folder: RunFolder, listen: Callable[[ThumbnailProgress], None] = lambda _: None) -> WrittenPage:
    """Write the page of ``folder`` from its ledger as it is now, after the thumbnails that are missing.

    Raises :class:`LedgerDamaged` if there is no ledger to read, :class:`UsageError` if its votes can't be read, and
    ``OSError`` if the folder can't be written.
    """
    with snapshot(folder.ledger) as db:
        entries = tuple(read_entries(db))
        about = read_about(db, folder.name)
    thumbnails = Thumbnails(folder)
    _make_thumbnails(thumbnails, entries, listen)
    with snapshot(folder.ledger) as db:
        found = checks(db, seen([thumbnails.looks]))
    rows = _rows(folder, entries, thumbnails.look, found)
    _write_files(folder.root, about, rows)
    problems = [row.look.problem for row in rows if row.look and row.look.problem]
    return WrittenPage(folder.root / "compare.html", len(entries), len(problems), problems[0] if problems else "")


def page_file(name: str) -> bytes:
    """Return a shipped file of the page. Raises ``FileNotFoundError`` for any other name."""
    if name not in page_names():
        raise FileNotFoundError(name)
    return (resources.files("batchgen.compare") / "page" / name).read_bytes()


def page_names() -> frozenset[str]:
    """Return the names of the page's scripts and style."""
    files = (resources.files("batchgen.compare") / "page").iterdir()
    return frozenset(file.name for file in files if file.name.endswith((".js", ".css")))


def page_html(*, connect: str = "'none'") -> bytes:
    """Return compare.html under a policy that lets scripts connect to ``connect`` only."""
    text = (resources.files("batchgen.compare") / "page" / "compare.html").read_text(encoding="utf-8")
    return text.replace("{policy}", POLICY.format(connect=connect)).encode()


def about_json(about: About, **more: object) -> dict[str, Any]:
    return {**asdict(about), **more}


def script(call: str, *values: object) -> bytes:
    """Return a script that calls ``call`` with ``values``: lists, texts and numbers, none of which is run as code."""
    return f"{call}({', '.join(map(json_text, values))});\n".encode()


def _rows(
    folder: RunFolder, entries: Sequence[Entry], look: Callable[[str], Look | None], found: Checks
) -> list[PlacedEntry]:
    """Return the entries in their places, with looks and flags of their pictures, and what those were made from."""
    copies = InputCopies(folder)
    in_bucket = OriginalFiles(folder).address is not None
    rows = []
    for place, entry in enumerate(entries):
        shot, edited = entry.shot, edited_by(entry, copies)
        flags = found.of(shot.file) | (0 if in_bucket else _gone(folder, shot)) if shot else 0
        rows.append(PlacedEntry(place, entry, look(shot.sha256) if shot else None, flags, edited))
    return rows


def _gone(folder: RunFolder, shot: Shot) -> int:
    path = picture_inside(folder, shot.file)
    return 0 if path and path.is_file() else GONE


def _make_thumbnails(
    thumbnails: Thumbnails, entries: Sequence[Entry], listen: Callable[[ThumbnailProgress], None]
) -> None:
    shots = [entry.shot for entry in entries if entry.shot]
    wanted = sum(1 for _ in thumbnails.missing(shots))
    done = 0

    def count(_: Look) -> None:
        nonlocal done
        done += 1
        listen(ThumbnailProgress(done, wanted))

    if wanted:
        with LookWorkers() as bench:
            thumbnails.make(bench, shots, count)


def _write_files(root: Path, about: About, rows: Sequence[PlacedEntry]) -> None:
    place = root / "compare"
    make_folder(place, root)
    files = {name: page_file(name) for name in page_names()}
    parts = {
        **_parts("rows", rows, ROWS_A_FILE, batch),
        **_parts("details", rows, DETAILS_A_FILE, details),
    }
    # A page that was open meanwhile must not mix its old rows with new details.
    stamp = hashlib.sha256(b"".join(parts.values())).hexdigest()[:16]
    names = list(parts)
    facts = about_json(about, stamp=stamp, live=False, total=len(rows), chunk=DETAILS_A_FILE)
    files |= {name: script("table.stamp", stamp) + part for name, part in parts.items()}
    files["votes.js"] = script("ballot.others", votes.read(root).votes[-VOTES:])
    wanted = [*(name for name in names if name.startswith("rows")), "votes.js"]
    files["data.js"] = script("table.begin", facts, [f"compare/{name}" for name in wanted])
    for name, content in files.items():
        replace_synced(place / name, content)
    replace_synced(root / "compare.html", page_html())
    _remove_others(place, set(files))


def _parts(
    kind: str, rows: Sequence[PlacedEntry], length: int, made: Callable[[Sequence[PlacedEntry]], Any]
) -> dict[str, bytes]:
    return {
        f"{kind}-{start // length:05d}.js": script(f"table.{kind}", made(rows[start : start + length]))
        for start in range(0, len(rows), length)
    }


def _remove_others(place: Path, wanted: set[str]) -> None:
    """Remove scripts of an earlier page; thumbnails and foreign files stay."""
    for file in place.glob("*.js"):
        if file.name not in wanted and file.name.startswith(("rows-", "details-")):
            file.unlink()
