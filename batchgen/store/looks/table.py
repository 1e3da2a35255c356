"""The pictures of a ledger as columns: a million in forty megabytes, and by name only those that matter."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, NamedTuple

from batchgen.encoding import json_text
from batchgen.store.ledger.bulk import aggregated, numbers
from batchgen.store.looks.index import LookIndex, numbers_of
from batchgen.store.looks.thumbnails import STILL

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Pictures:
    """One row per picture that the folder shows, in the order of the ledger; ``places`` are those of its looks."""

    requests: npt.NDArray[np.int64]
    ordinals: npt.NDArray[np.int64]
    still: npt.NDArray[np.bool_]
    digests: npt.NDArray[np.uint64]
    places: npt.NDArray[np.int64]


class Named(NamedTuple):
    """A picture by its row in :class:`Pictures`."""

    row: int
    request: int
    file: str
    original: str
    sha256: str
    format: str


def read_pictures(db: sqlite3.Connection, known: LookIndex) -> Pictures:
    """Return all pictures that the folder shows, with the places of what is ``known`` of them."""
    import numpy as np

    found = list(aggregated(db, _PICTURES, "pictures", still=json_text(sorted(STILL))))
    requests, ordinals, still = np.hstack(
        [np.empty((3, 0), np.int64), *(np.array([numbers(text) for text in texts]) for *texts, _ in found)]
    )
    digests = np.concatenate([np.empty(0, np.uint64), *(_digests(digits) for *_, digits in found)])
    places = np.where(still, known.places(digests), -1)
    return Pictures(requests, ordinals, still.astype(np.bool_), digests, places)


def named(db: sqlite3.Connection, pictures: Pictures, rows: npt.NDArray[np.int64]) -> Iterator[Named]:
    """Return the pictures at ``rows`` in that order, without pictures gone since."""
    wanted = list(zip(rows.tolist(), pictures.requests[rows].tolist(), pictures.ordinals[rows].tolist(), strict=True))
    for start in range(0, len(wanted), _BATCH):
        yield from map(Named._make, db.execute(_NAMED, (json_text(wanted[start : start + _BATCH]),)))


def _digests(digits: str) -> npt.NDArray[np.uint64]:
    import numpy as np

    try:
        return numbers_of(digits)
    except ValueError:
        # A stranger's ledger may hold any text: such a picture has a number of its own, and looks like no other.
        parts = (digits[start : start + 16].encode() for start in range(0, len(digits), 16))
        return np.array([int.from_bytes(blake2b(part, digest_size=8).digest()) for part in parts], dtype=np.uint64)


# So many pictures are named at a time.
_BATCH = 10_000

_PICTURES = """
SELECT group_concat(request_id), group_concat(ordinal),
       group_concat(format IN (SELECT value FROM json_each(:still))),
       group_concat(substr(sha256 || '0000000000000000', 1, 16), '')
FROM kept_pictures WHERE request_id >= :least AND request_id <= :most
"""

_NAMED = """
SELECT json_extract(wanted.value, '$[0]'), p.request_id, p.file, p.original, p.sha256, p.format FROM json_each(?) wanted
JOIN kept_pictures p ON p.request_id = json_extract(wanted.value, '$[1]') AND p.ordinal = json_extract(wanted.value,
'$[2]') ORDER BY wanted.key
"""
