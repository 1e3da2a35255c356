"""The page as files of the run folder: it opens from disk, needs no server and sends nothing.

``compare.html`` is beside the pictures, everything else in ``compare/``: the page's own scripts, the rows in files of
10,000, the details of 1,000 rows each, loaded when one of them comes into sight, the thumbnails, and the votes cast so
far, so that the next voter is shown the pairs that need one.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from msgspec.structs import replace

from batchgen.compare import votes
from batchgen.compare.entries import About, Entry, Shot, read_about, read_entries
from batchgen.compare.page_columns import GONE, PlacedEntry, batch, details, edited_by
from batchgen.compare.versions import Version, base_of, folder_names, shared_requests
from batchgen.encoding import json_text
from batchgen.errors import UsageError
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
class PagePlace:
    """Where a page lies in its run folder, and its data."""

    page: str
    data: str


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
    about, rows = read_page(folder, listen)
    _write_files(folder.root, about, rows, PagePlace("compare.html", "compare"), votes.read(folder.root))
    return _written(folder.root / "compare.html", rows)


def write_versions(
    folders: Sequence[RunFolder], listen: Callable[[ThumbnailProgress], None] = lambda _: None
) -> WrittenPage:
    """Write a page of two folders into the first: the versions of each request side by side.

    Raises :class:`LedgerDamaged`, :class:`UsageError` and ``OSError`` as :func:`write_page` does.
    """
    first, second = folders
    names = folder_names([folder.root for folder in folders])
    parts = [read_page(folder, listen) for folder in folders]
    requests = shared_requests([[row.entry for row in rows] for _, rows in parts])
    rows: list[PlacedEntry] = []
    for folder, name, (_, placed), texts in zip(folders, names, parts, requests, strict=True):
        base = base_of(folder.root, first.root)
        for row, text in zip(placed, texts, strict=True):
            rows.append(replace(row, place=len(rows), version=Version(name, base, text)))
    abouts = [about for about, _ in parts]
    about = dataclasses.replace(
        abouts[-1],
        name=" · ".join(names),
        simulated=all(one.simulated for one in abouts),
        running=any(one.running for one in abouts),
    )
    name = f"with-{second.root.resolve().name}"
    _write_files(first.root, about, rows, PagePlace(f"compare-{name}.html", f"compare/{name}"), votes.Votes())
    return _written(first.root / f"compare-{name}.html", rows)


def page_file(name: str) -> bytes:
    """Return a shipped file of the page. Raises ``FileNotFoundError`` for any other name."""
    if name not in page_names():
        raise FileNotFoundError(name)
    return (resources.files("batchgen.compare") / "page" / name).read_bytes()


def page_names() -> frozenset[str]:
    """Return the names of the page's scripts and style."""
    files = (resources.files("batchgen.compare") / "page").iterdir()
    return frozenset(file.name for file in files if file.name.endswith((".js", ".css")))


def page_html(*, connect: str = "'none'", data: str = "compare") -> bytes:
    """Return compare.html under a policy that lets scripts connect to ``connect`` only; its data lies in ``data``."""
    text = (resources.files("batchgen.compare") / "page" / "compare.html").read_text(encoding="utf-8")
    text = text.replace('src="compare/data.js"', f'src="{quote(data)}/data.js"')
    return text.replace("{policy}", POLICY.format(connect=connect)).encode()


def results_of(folder: RunFolder, cast: votes.Votes) -> dict[str, Any] | None:
    """Return what the page says of the votes; ``None`` if they say nothing, or compare more than can be ranked."""
    if not cast.votes:
        return None
    from batchgen.compare.results import read_results

    try:
        return read_results(folder, cast)
    except UsageError:
        return None


def about_json(about: About, **more: object) -> dict[str, Any]:
    return {**asdict(about), **more}


def script(call: str, *values: object) -> bytes:
    """Return a script that calls ``call`` with ``values``: lists, texts and numbers, none of which is run as code."""
    return f"{call}({', '.join(map(json_text, values))});\n".encode()


def read_page(
    folder: RunFolder, listen: Callable[[ThumbnailProgress], None] = lambda _: None
) -> tuple[About, list[PlacedEntry]]:
    """Return what the page of ``folder`` shows, after the thumbnails that are missing are made.

    Raises :class:`LedgerDamaged` if there is no ledger to read, and ``OSError`` if the folder can't be written.
    """
    with snapshot(folder.ledger) as db:
        entries = tuple(read_entries(db))
        about = read_about(db, folder.name)
    thumbnails = Thumbnails(folder)
    _make_thumbnails(thumbnails, entries, listen)
    with snapshot(folder.ledger) as db:
        found = checks(db, seen([thumbnails.looks]))
    return about, _rows(folder, entries, thumbnails.look, found)


def _written(page: Path, rows: Sequence[PlacedEntry]) -> WrittenPage:
    problems = [row.look.problem for row in rows if row.look and row.look.problem]
    return WrittenPage(page, len(rows), len(problems), problems[0] if problems else "")


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


@dataclass(frozen=True, slots=True)
class PageData:
    """What the page loads: the ``facts`` it is told first, its ``parts`` by name, and the ``votes`` cast so far."""

    facts: dict[str, Any]
    parts: dict[str, bytes]
    votes: bytes


def page_data(
    about: About,
    rows: Sequence[PlacedEntry],
    cast: votes.Votes,
    *,
    folder: str = "compare",
    has_report: bool = False,
    results: dict[str, Any] | None = None,
) -> PageData:
    """Return the data of a page, as scripts that will lie in ``folder``; ``results`` are what the votes say."""
    parts = {
        **_parts("rows", rows, ROWS_A_FILE, batch),
        **_parts("details", rows, DETAILS_A_FILE, details),
    }
    # A page that was open meanwhile must not mix its old rows with new details.
    stamp = hashlib.sha256(b"".join(parts.values())).hexdigest()[:16]
    facts = about_json(
        about, stamp=stamp, live=False, total=len(rows), chunk=DETAILS_A_FILE, report=has_report, files=folder
    )
    return PageData(
        facts,
        {name: script("table.stamp", stamp) + part for name, part in parts.items()},
        script("ballot.others", cast.votes[-VOTES:]) + (script("results.take", results) if results else b""),
    )


def page_files(data: PageData) -> dict[str, bytes]:
    """Return the files of the folder ``compare/`` beside a page, by their names, but for thumbnails."""
    return {**{name: page_file(name) for name in sorted(page_names())}, **_data_files(data)}


def _data_files(data: PageData) -> dict[str, bytes]:
    wanted = [*(name for name in data.parts if name.startswith("rows")), "votes.js"]
    begin = script("table.begin", data.facts, [f"{data.facts['files']}/{name}" for name in wanted])
    return {**data.parts, "votes.js": data.votes, "data.js": begin}


def _write_files(root: Path, about: About, rows: Sequence[PlacedEntry], place: PagePlace, cast: votes.Votes) -> None:
    make_folder(root / place.data, root)
    # The report is about one folder.
    has_report = place.page == "compare.html" and (root / "report.html").is_file()
    said = results_of(RunFolder(root), cast)
    files = _data_files(page_data(about, rows, cast, folder=place.data, has_report=has_report, results=said))
    for name in page_names():
        replace_synced(root / "compare" / name, page_file(name))
    for name, content in files.items():
        replace_synced(root / place.data / name, content)
    replace_synced(root / place.page, page_html(data=place.data))
    _remove_others(root / place.data, set(files))


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
