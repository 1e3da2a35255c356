"""Contact sheets: the pictures of a folder side by side as a PDF, to print or to pass round.

Drawn from the thumbnails alone, so that a sheet of a million pictures costs no second decode. A PDF is held in memory
until it is written, so there are no more than ``PICTURES_PER_FILE`` in one.
"""

from __future__ import annotations

import gc
import io
import sqlite3
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import msgspec

from batchgen.errors import UsageError
from batchgen.report.fonts import Face, faces_for
from batchgen.report.lettering import Lettering, line_height
from batchgen.store.folder.atomic import make_folder, replacing
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.records import is_simulated, prompt_of, snapshot
from batchgen.store.looks.thumbnails import inside, thumbnail_name
from batchgen.store.looks.worker import LONGEST_SIDE
from batchgen.wording import visible

FOLDER = "compare/sheets"
PICTURES_PER_FILE = 1_000

# A4, in millimetres.
_SHORT, _LONG = 210, 297
_MARGIN = 10
_GAP = 3
_TITLE = 10
_TITLE_POINTS = 11
_HEADER_LINES = 2
_CAPTION_LINES = 3
_SIDE = 45
_LARGEST, _SMALLEST = 60, 20
_FLOW_COLUMNS = 5
# More columns than these are wider than they are high.
_UPRIGHT_COLUMNS = 3
# More of a prompt stands beside no picture.
_MOST_LETTERS = 800
_QUALITY = 80
# What stands in the sheets beside foreign text.
_OURS = frozenset(string.printable.strip() + "·…\ufffd")
# Thirds of a millimetre don't add up.
_ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Sheets:
    """The files written, how many pictures they show, and how many have no thumbnail and are shown as a name.

    ``undrawn`` are characters of their texts that no installed font has; a mark stands in their place.
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
    caption: str


@dataclass(frozen=True, slots=True)
class _Row:
    label: str
    cells: dict[int, _Cell] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Board:
    """Everything to be shown; there are no ``headers`` if pictures follow each other with captions of their own."""

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
    """The sizes of a page's parts in millimetres, and how many pictures stand across and down."""

    width: int
    height: int
    side: float
    header: float
    caption: float
    cell: float
    across: int
    down: int

    @property
    def row(self) -> float:
        return self.cell + self.caption + _GAP

    def left(self, place: int) -> float:
        return _MARGIN + self.side + place * (self.cell + _GAP)


def refuse_without_fpdf2() -> None:
    """Raise :class:`UsageError` if the library that writes PDFs is not installed."""
    try:
        # A part that an older library of the same name lacks.
        import fpdf.enums  # noqa: F401
    except ImportError as error:
        raise UsageError("contact sheets need fpdf2: pip install 'batchgen-runner[pdf]'") from error


def write_sheets(folder: RunFolder) -> Sheets:
    """Write the sheets of ``folder`` in place of earlier ones, and return what they show.

    Raise :class:`LedgerDamaged` if there is no ledger to read, ``OSError`` if the folder takes no files, and
    :class:`UsageError` if fpdf2 is not installed.
    """
    refuse_without_fpdf2()
    with snapshot(folder.ledger) as db:
        board = _read(db)
        title = visible(folder.root.resolve().name) + (", simulated" if is_simulated(db) else "")
    place = folder.root / FOLDER
    make_folder(place, folder.root)
    measure = _measure(board)
    pages = tuple(_pages(board, measure))
    each = max(1, PICTURES_PER_FILE // (measure.across * measure.down))
    starts = range(0, len(pages), each)
    characters = _characters(title, board)
    faces = faces_for(characters | _OURS)
    sheets = Sheets((), sum(len(row.cells) for row in board.rows), 0)
    for part, start in enumerate(starts, 1):
        document = _Document(folder.root, measure, faces, characters)
        # The one before it: its parts refer to each other, and hold all its pictures.
        gc.collect()
        for number, page in enumerate(pages[start : start + each], start + 1):
            document.add(page, f"{title}, page {number} of {len(pages)}", noted=number == 1)
        file = place / (f"sheet-{part:03d}.pdf" if len(starts) > 1 else "sheet.pdf")
        document.save(file)
        sheets = replace(
            sheets, files=(*sheets.files, file), blank=sheets.blank + document.blank, undrawn=document.undrawn
        )
    # Also if there is nothing to show: what stands there would belong to another day.
    for old in place.glob("sheet*.pdf"):
        if old not in sheets.files:
            old.unlink()
    return sheets


def _read(db: sqlite3.Connection) -> _Board:
    columns: dict[_Column, int] = {}
    rows: dict[tuple[str, str], _Row] = {}
    for model, canonical, axes, repeat, ordinal, row, file, sha256 in db.execute(_PICTURES):
        titles = {name: title for name, title in _axes.decode(axes).items() if name != "model"}
        about = ", ".join(map(visible, titles.values()))
        prompt = visible(prompt_of(canonical))
        label = _cut(f"{row} · {about} · {prompt}" if about else f"{row} · {prompt}")
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


def _cut(label: str) -> str:
    return label if len(label) <= _MOST_LETTERS else label[: _MOST_LETTERS - 1] + "…"


def _measure(board: _Board) -> _Measure:
    """The largest pictures with which all columns stand beside each other, or else small ones."""
    upright = not board.headers or board.columns <= _UPRIGHT_COLUMNS
    width, height = (_SHORT, _LONG) if upright else (_LONG, _SHORT)
    side = _SIDE if board.headers else 0
    header = _HEADER_LINES * line_height() + 1 if board.headers else 0
    caption = 0 if board.headers else _CAPTION_LINES * line_height() + 1
    room = width - 2 * _MARGIN - side + _GAP
    columns = board.columns if board.headers else _FLOW_COLUMNS
    cell = min(_LARGEST, max(_SMALLEST, room / columns - _GAP))
    across = min(columns, int(room / (cell + _GAP) + _ROUNDING))
    down = int((height - 2 * _MARGIN - _TITLE - header + _GAP) / (cell + caption + _GAP))
    return _Measure(width, height, side, header, caption, cell, across, down)


def _pages(board: _Board, measure: _Measure) -> Iterator[_Page]:
    for top in range(0, len(board.rows), measure.down):
        for left in range(0, board.columns, measure.across):
            count = min(measure.across, board.columns - left)
            yield _Page(board.headers[left : left + count], left, count, board.rows[top : top + measure.down])


def _characters(title: str, board: _Board) -> frozenset[str]:
    """What all texts of the sheets consist of, so that fonts are looked for once."""
    found = set(title).union(*board.headers)
    for row in board.rows:
        found.update(row.label, *(cell.name + cell.caption for cell in row.cells.values()))
    return frozenset(found)


class _Document:
    """One PDF of sheets; ``blank`` counts the pictures on it that are shown as a name."""

    def __init__(self, root: Path, measure: _Measure, faces: Iterable[Face], characters: frozenset[str]) -> None:
        from fpdf import FPDF

        self._root = root
        self._measure = measure
        self._pdf = FPDF(format=(measure.width, measure.height))
        self._pdf.set_auto_page_break(auto=False)
        self._pdf.c_margin = 0
        self._letters = Lettering(self._pdf, faces, characters)
        self.undrawn = self._letters.undrawn
        self.blank = 0

    def add(self, page: _Page, heading: str, *, noted: bool) -> None:
        """Draw a page; what stands for missing characters is explained on it if it is to be ``noted``."""
        measure = self._measure
        self._pdf.add_page()
        width = measure.width - 2 * _MARGIN
        self._letters.write(heading, (_MARGIN, _MARGIN), width=width, lines=1, size=_TITLE_POINTS)
        if noted and self.undrawn:
            note = f"{self._letters.mark} stands for characters that no installed font has"
            self._letters.write(note, (_MARGIN, _MARGIN + line_height(_TITLE_POINTS)), width=width, lines=1)
        top: float = _MARGIN + _TITLE
        for place, header in enumerate(page.headers):
            self._letters.write(header, (measure.left(place), top), width=measure.cell, lines=_HEADER_LINES)
        top += measure.header
        for row in page.rows:
            self._letters.write(
                row.label, (_MARGIN, top), width=measure.side - _GAP, lines=int(measure.cell / line_height())
            )
            for place in range(page.columns):
                if (cell := row.cells.get(page.first_column + place)) is not None:
                    self._show(cell, measure.left(place), top)
            top += measure.row

    def save(self, file: Path) -> None:
        """Put the document in place of ``file``."""
        content = self._pdf.output()
        self._letters.close()
        with replacing(file) as stream:
            stream.write(content)

    def _show(self, cell: _Cell, left: float, top: float) -> None:
        side = self._measure.cell
        if self._measure.caption:
            self._letters.write(cell.caption, (left, top + side + 0.5), width=side, lines=_CAPTION_LINES)
        picture = _small(self._root, cell.sha256)
        if picture is None:
            self._letters.write(cell.name, (left, top), width=side, lines=_CAPTION_LINES)
            self.blank += 1
        else:
            self._pdf.image(picture, left, top, side, side, keep_aspect_ratio=True)


def _small(root: Path, sha256: str) -> bytes | None:
    """The thumbnail of a picture, on white, as a JPEG: a PDF takes these as they are; ``None`` if there is none."""
    from PIL import Image

    path = inside(root, thumbnail_name(sha256))
    try:
        with Image.open(path or "", formats=("WEBP",)) as opened:
            if max(opened.size) > LONGEST_SIDE:
                return None  # none of ours
            picture = opened.convert("RGBA")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    ground = Image.new("RGB", picture.size, "white")
    ground.paste(picture, mask=picture)
    stream = io.BytesIO()
    ground.save(stream, "JPEG", quality=_QUALITY)
    return stream.getvalue()


_axes = msgspec.json.Decoder(dict[str, str])

_PICTURES = """
SELECT r.model, r.canonical, r.axes, r.repeat, p.ordinal, r.row, p.file, p.sha256
FROM requests r JOIN kept_pictures p ON p.request_id = r.id
ORDER BY r.position, r.repeat, r.id, p.ordinal
"""
