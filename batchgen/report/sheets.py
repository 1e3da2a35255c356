"""Contact sheets: the pictures of a folder side by side as PNG pages or one PDF, to print or to pass round.

Drawn from the thumbnails alone, so that a sheet of a million pictures costs no second decode, and page by page, so that
it takes the memory of one page. Every page stays below what viewers and formats hold: WebP and many programs end at
16,383 pixels a side, decoders refuse more than about 100 million in all.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

from batchgen.report.lettering import Lettering
from batchgen.store.dataset.metadata import is_simulated
from batchgen.store.folder.atomic import make_folder
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import prompt_of, snapshot
from batchgen.store.looks.thumbnails import thumbnail_name
from batchgen.wording import visible

if TYPE_CHECKING:
    from PIL.Image import Image

FOLDER = "compare/sheets"

MAX_SIDE = 16_383
# Half of what decoders take: a page is held in memory while it is drawn, with three bytes a pixel.
MAX_PIXELS = 50_000_000

_CELLS = (256, 192, 128, 96)
_GAP = 12
_MARGIN = 24
_TITLE = 40
_HEADER = 44
_SIDE = 280
_CAPTION = 40
_FLOW_COLUMNS = 8
# A sheet of paper is so much higher than it is wide.
_PAPER = 1.414


@dataclass(frozen=True, slots=True)
class Sheets:
    """The files written, how many pictures they show, and how many have no thumbnail and are shown as a name.

    ``undrawn`` are characters of their texts that no installed font has; an ellipsis stands in their place.
    """

    files: tuple[Path, ...]
    pictures: int
    blank: int
    undrawn: frozenset[str] = frozenset()


class _Column(NamedTuple):
    """What stands below each other: a model's pictures of one repeat; ``turn`` tells rows of one prompt apart."""

    model: str
    repeat: int
    ordinal: int
    turn: int

    @property
    def header(self) -> str:
        counts = [str(self.repeat), *([f"picture {self.ordinal}"] if self.ordinal > 1 else [])]
        return f"{self.model} · {', '.join(counts)}" + (f" ({self.turn + 1})" if self.turn else "")


@dataclass(frozen=True, slots=True)
class _Cell:
    sha256: str
    name: str
    caption: str = ""


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    cells: dict[int, _Cell] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Board:
    """Everything to be shown: ``headers`` are empty where pictures follow each other with captions of their own."""

    headers: tuple[str, ...]
    columns: int
    rows: tuple[_Row, ...]


@dataclass(frozen=True, slots=True)
class _Page:
    headers: tuple[str, ...]
    first_column: int
    columns: int
    rows: tuple[_Row, ...]


@dataclass(frozen=True, slots=True)
class _Measure:
    """The sizes of a page's parts in pixels."""

    cell: int
    side: int
    header: int
    caption: int

    @property
    def row(self) -> int:
        return self.cell + self.caption + _GAP

    def width(self, columns: int) -> int:
        return 2 * _MARGIN + self.side + columns * (self.cell + _GAP)

    def height(self, rows: int) -> int:
        return 2 * _MARGIN + _TITLE + self.header + rows * self.row


def write_sheets(folder: RunFolder, kind: Literal["png", "pdf"]) -> Sheets:
    """Writes the sheets of ``folder`` in place of earlier ones of that kind.

    Raises :class:`LedgerDamaged` where there is no ledger to read, and ``OSError`` where the folder takes no files.
    """
    with snapshot(folder.ledger) as db:
        _refuse_pictures(db)
        board = _read(db)
        title = visible(folder.root.resolve().name) + (", simulated" if is_simulated(db) else "")
    place = folder.root / FOLDER
    make_folder(place, folder.root)
    files: list[Path] = []
    missing = 0
    undrawn: set[str] = set()
    pages = _pages(board, paper=kind == "pdf")
    # Also where there is nothing to show: what stands there would belong to another day.
    for number, (page, measure) in enumerate(pages, 1):
        image, lacking, letters = _draw(folder.root, page, measure, f"{title}, page {number}")
        missing += lacking
        undrawn |= letters
        target = place / (f"sheet-{number:03d}.png" if kind == "png" else "sheet.pdf")
        _save(image, target, kind, append=bool(files) and kind == "pdf")
        if target not in files:
            files.append(target)
    for old in place.glob(f"sheet*.{kind}"):
        if old not in files:
            old.unlink()
    return Sheets(tuple(files), sum(len(row.cells) for row in board.rows), missing, frozenset(undrawn))


def _refuse_pictures(db: sqlite3.Connection) -> None:
    """Pictures may have any name a manifest gives them: sheets are written over none of them."""
    # "0" is the character behind "/".
    inside = (f"{FOLDER}/", f"{FOLDER}0")
    if found := db.execute("SELECT file FROM pictures WHERE file > ? AND file < ? LIMIT 1", inside).fetchone():
        raise FileExistsError(f"{found[0]} is a picture of this run, and stands where the sheets belong")


def _read(db: sqlite3.Connection) -> _Board:
    columns: dict[_Column, int] = {}
    rows: dict[tuple[str, str], _Row] = {}
    for model, canonical, axes, repeat, ordinal, row, file, sha256 in db.execute(_PICTURES):
        titles = {name: title for name, title in _axes.decode(axes).items() if name != "model"}
        about = ", ".join(map(visible, titles.values()))
        prompt = visible(prompt_of(canonical))
        label = f"{row} · {about} · {prompt}" if about else f"{row} · {prompt}"
        line = rows.setdefault((about, prompt), _Row(label))
        turn = 0
        while (
            column := columns.setdefault(_Column(visible(model), repeat, ordinal, turn), len(columns))
        ) in line.cells:
            turn += 1
        line.cells[column] = _Cell(sha256, visible(file.rpartition("/")[2]), f"{label} · {visible(model)}")
    if len(columns) < 2:
        return _flow([cell for row in rows.values() for cell in row.cells.values()])
    models = list(dict.fromkeys(column.model for column in columns))
    order = sorted(columns, key=lambda column: (models.index(column.model), column[1:]))
    places = {columns[column]: place for place, column in enumerate(order)}
    moved = (_Row(row.label, {places[place]: cell for place, cell in row.cells.items()}) for row in rows.values())
    return _Board(tuple(column.header for column in order), len(order), tuple(moved))


def _flow(cells: Sequence[_Cell]) -> _Board:
    """One picture after the other, each with its own caption."""
    rest = iter(cells)
    rows = []
    while some := list(islice(rest, _FLOW_COLUMNS)):
        rows.append(_Row("", dict(enumerate(some))))
    return _Board((), min(len(cells), _FLOW_COLUMNS), tuple(rows))


def _pages(board: _Board, *, paper: bool) -> Iterator[tuple[_Page, _Measure]]:
    measure = _measure(board, paper=paper)
    across = min(board.columns, (MAX_SIDE - measure.width(0)) // (measure.cell + _GAP))
    if not board.rows:
        return
    width = measure.width(across)
    highest = min(MAX_SIDE, MAX_PIXELS // width)
    if paper:
        highest = min(highest, max(round(width * _PAPER), measure.height(1)))
    down = max(1, (highest - measure.height(0)) // measure.row)
    for top in range(0, len(board.rows), down):
        for left in range(0, board.columns, across):
            count = min(across, board.columns - left)
            yield _Page(board.headers[left : left + count], left, count, board.rows[top : top + down]), measure


def _measure(board: _Board, *, paper: bool) -> _Measure:
    """The largest cells with which everything stands on one page; else small ones, or those that suit paper."""
    found = [
        _Measure(cell, _SIDE if board.headers else 0, _HEADER if board.headers else 0, 0 if board.headers else _CAPTION)
        for cell in _CELLS
    ]
    for measure in found:
        width, height = measure.width(board.columns), measure.height(len(board.rows))
        if max(width, height) <= MAX_SIDE and width * height <= MAX_PIXELS:
            return measure
    return found[0] if paper and board.columns <= _FLOW_COLUMNS else found[2]


def _draw(root: Path, page: _Page, measure: _Measure, title: str) -> tuple[Image, int, set[str]]:
    """The page, how many of its pictures have no thumbnail, and the characters that could not be drawn."""
    from PIL import Image

    image = Image.new("RGB", (measure.width(page.columns), measure.height(len(page.rows))), "white")
    letters = Lettering(image)
    letters.write(title, (_MARGIN, _MARGIN), width=image.width - 2 * _MARGIN, lines=1, size=20)
    top = _MARGIN + _TITLE
    for place, header in enumerate(page.headers):
        letters.write(header, (_left(measure, place), top), width=measure.cell, lines=2)
    top += measure.header
    missing = 0
    for row in page.rows:
        if row.label:
            # As many lines as stand beside the smallest pictures.
            letters.write(row.label, (_MARGIN, top), width=measure.side - _GAP, lines=max(3, measure.cell // 22))
        for place in range(page.columns):
            cell = row.cells.get(page.first_column + place)
            if cell is not None:
                missing += not _paste(root, image, letters, cell, (_left(measure, place), top), measure)
        top += measure.row
    return image, missing, letters.undrawn


def _left(measure: _Measure, place: int) -> int:
    return _MARGIN + measure.side + place * (measure.cell + _GAP)


def _paste(
    root: Path, image: Image, letters: Lettering, cell: _Cell, corner: tuple[int, int], measure: _Measure
) -> bool:
    """Whether there was a thumbnail to show; otherwise the picture's name stands in its place."""
    from PIL import Image

    left, top = corner
    if measure.caption:
        letters.write(cell.caption, (left, top + measure.cell + 2), width=measure.cell, lines=2)
    try:
        with Image.open(root / thumbnail_name(cell.sha256), formats=("WEBP",)) as opened:
            small = opened.convert("RGBA")
    except (OSError, SyntaxError, ValueError):
        letters.write(cell.name, (left, top), width=measure.cell, lines=3)
        return False
    small.thumbnail((measure.cell, measure.cell), Image.Resampling.LANCZOS)
    image.paste(small, (left + (measure.cell - small.width) // 2, top + (measure.cell - small.height) // 2), small)
    return True


def _save(image: Image, target: Path, kind: Literal["png", "pdf"], *, append: bool) -> None:
    if kind == "pdf" and append:
        image.save(target, "PDF", append=True, resolution=150, quality=85)
        return
    temporary = target.with_name(f".{secrets.token_hex(8)}.part")
    try:
        if kind == "pdf":
            image.save(temporary, "PDF", resolution=150, quality=85)
        else:
            image.save(temporary, "PNG")
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


_axes = msgspec.json.Decoder(dict[str, str])

_PICTURES = """
SELECT r.model, r.canonical, r.axes, r.repeat, p.ordinal, r.row, p.file, p.sha256
FROM requests r JOIN pictures p ON p.request_id = r.id WHERE p.home IS NULL
ORDER BY r.position, r.repeat, r.id, p.ordinal
"""
