"""Whole columns of the ledger at once: SQLite joins the values of a column to one text, which is then read in C.

Fetched row by row, a million requests take five times as long: each value would first become an object of Python.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

import msgspec

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Table = Literal["requests", "attempts", "pictures"]

# So many rows are joined at a time: a text must stay far below SQLite's thousand million bytes.
_ROWS = 1 << 17

# From one number that is there to the next: a gap of any width costs one look.
_FOLLOWING: dict[Table, str] = {
    "requests": "SELECT min(id) FROM requests WHERE id > ?",
    "attempts": "SELECT min(id) FROM attempts WHERE id > ?",
    "pictures": "SELECT min(request_id) FROM pictures WHERE request_id > ?",
}


def aggregated(db: sqlite3.Connection, query: str, table: Table, **given: str) -> Iterator[tuple[Any, ...]]:
    """Return what ``query`` answers for one range of the numbers of ``table`` after the other, if there is anything.

    The query has aggregates alone, of values that are never NULL, and the parameters ``:least`` and ``:most`` beside
    those ``given``. The numbers are those of requests for ``pictures``, and the tables' own for the others.
    """
    (least,) = db.execute(_FOLLOWING[table], (-1,)).fetchone()
    while least is not None:
        most = least - 1 + _ROWS
        found = db.execute(query, {**given, "least": least, "most": most}).fetchone()
        if found[0] is not None:
            yield found
        (least,) = db.execute(_FOLLOWING[table], (most,)).fetchone()


def integers(db: sqlite3.Connection, query: str, table: Table, *, width: int) -> npt.NDArray[np.int64]:
    """Return the integers that :func:`aggregated` brings by ``width`` times ``group_concat``, as one row each."""
    import numpy as np

    parts = [np.array([numbers(text) for text in found]) for found in aggregated(db, query, table)]
    return np.hstack([np.empty((width, 0), dtype=np.int64), *parts])


def numbers(text: str) -> npt.NDArray[np.int64]:
    """Return what ``group_concat`` made of a column of integers."""
    import numpy as np

    return np.fromstring(text, dtype=np.int64, sep=",")


def texts(array: str) -> list[str]:
    """Return what ``json_group_array`` made of a column of texts."""
    return _texts.decode(array)


_texts = msgspec.json.Decoder(list[str])
