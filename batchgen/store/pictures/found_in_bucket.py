"""The pictures in a bucket that a ledger does not know: those of a run that died, and all if the ledger was lost."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice

from batchgen.encoding import json_text
from batchgen.store.ledger.transitions import StoredPicture
from batchgen.store.media.sniff import NotAPicture, inspect
from batchgen.store.pictures.bucket import Bucket
from batchgen.store.pictures.in_bucket import PICTURES, object_of
from batchgen.store.pictures.receipt import Receipt, read_receipt

# As a ledger calls them; the rest of a bucket is none of ours.
_ORIGINAL = re.compile(r"([0-9a-f]{2})/(\1[0-9a-f]{30})-[1-9][0-9]{0,5}\.[a-z0-9]{2,5}")
# So many names are looked up at a time, and so many pictures are read at once.
_BATCH = 1_000
_READERS = 16


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """A picture whose bytes were read and are whole, with the receipt beside them, if that is one."""

    picture: StoredPicture
    receipt: Receipt | None


def unknown_pictures(bucket: Bucket, db: sqlite3.Connection) -> dict[str, FoundPicture]:
    """Return the pictures in ``bucket`` that the ledger lacks, by the names it would call them.

    Each is read: torn or foreign bytes are no picture. Raises :class:`BucketFailed`. For a thread.
    """
    names = list(_unknown(bucket, db))
    with ThreadPoolExecutor(_READERS) as readers:
        found = readers.map(partial(_read, bucket), names)
        return {name: one for name, one in zip(names, found, strict=True) if one is not None}


def list_originals(bucket: Bucket) -> Iterator[tuple[str, int]]:
    """Return the pictures in ``bucket`` as a ledger calls them, each with its size."""
    for one in bucket.list(PICTURES):
        original = one.path.removeprefix(f"{PICTURES}/")
        if _ORIGINAL.fullmatch(original):
            yield original, one.size


def _unknown(bucket: Bucket, db: sqlite3.Connection) -> Iterator[str]:
    listed = (original for original, _ in list_originals(bucket))
    while some := list(islice(listed, _BATCH)):
        known = {original for (original,) in db.execute(_KNOWN, (json_text(some),))}
        yield from (original for original in some if original not in known)


_KNOWN = """
WITH listed AS (SELECT value FROM json_each(?))
SELECT original FROM pictures WHERE original IN listed UNION ALL
SELECT original FROM other_takes WHERE original IN listed
"""


def _read(bucket: Bucket, original: str) -> FoundPicture | None:
    there = bucket.read(object_of(original))
    if there is None:
        return None
    sha256 = hashlib.sha256(there.content).hexdigest()
    stated = there.attributes.get("sha256", sha256)
    receipt = read_receipt(there.attributes)
    if stated != sha256 or (receipt is not None and receipt.key != original[3:35]):
        return None
    try:
        found = inspect(there.content)
    except NotAPicture:
        return None
    return FoundPicture(StoredPicture(original, sha256, len(there.content), found), receipt)
