"""Run folders to export from: small ones of the test's own, and one of ten thousand pictures for all tests."""

import io
from functools import cache

import msgspec
from PIL import Image

from batchgen.commands.export import export
from batchgen.export.interface import Caption, ExportKind, ExportOptions
from batchgen.manifest.template import Template
from batchgen.store.folder.view import View
from batchgen.store.ledger import names, transitions
from batchgen.store.ledger.row_metadata import Described
from batchgen.store.ledger.transitions import Bill
from tests import ledgers
from tests.ledgers import at_rest


def options(kind, caption=None, **more):
    template = Template(caption or "{prompt}")
    made = Caption(template.text, template.names, template.render)
    return ExportOptions(kind=ExportKind(kind), caption=made, captioned=caption is not None, **more)


def exported(folders, kind, destination, **more):
    folders = folders if isinstance(folders, list) else [folders]
    return export([folder.root for folder in folders], options(kind, **more), destination)


def also(ledger, request, *rows):
    """Have further rows of the plan ask for the same request: each a name and its columns."""
    asked = [
        msgspec.structs.replace(request, index=place, row=place, columns=columns)
        for place, (_, columns) in enumerate(rows, 50)
    ]
    described = [Described(one, f"images/{name}", named=True) for one, (name, _) in zip(asked, rows, strict=True)]
    ledgers.share(ledger.db, described)


@cache
def tiny(number, kind="PNG"):
    """Bytes of a small picture that no other number has."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), (number % 256, number // 256 % 256, 90)).save(stream, kind)
    return stream.getvalue()


def fill(root, count, *, content=tiny, repeats=4):
    """A folder of so many pictures, in the time that SQLite takes for them."""
    with ledgers.build(root) as book:
        book.db.execute("PRAGMA synchronous = OFF")
        book.begin()
        for number in range(count):
            request = book.request(
                f"mug {number // repeats}", columns={"shelf": str(number % 7)}, repeat=number % repeats + 1
            )
            ticket = book.send(request)
            book.answer(ticket, Bill(40_000, 0, None))
            picture = at_rest(book.folder, request.key, content(number))
            transitions.store(
                book.db, request_id=ticket.request_id, pictures=[picture], downloads=1, now_ms=book.now_ms
            )
        return book.folder


def originals(folder):
    """The bytes of every picture at rest, by the key and number that its file is named by."""
    return {path.stem: path.read_bytes() for path in folder.pictures.glob("*/*.*")}


def settle(ledger):
    """Make all names that are wanted."""
    names.record(ledger.db, View(ledger.folder).settle(names.unsettled(ledger.db)))
