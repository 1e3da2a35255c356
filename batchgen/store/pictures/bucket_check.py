"""Compares the pictures in a bucket with a ledger: by a listing, or by their bytes."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.pictures.bucket import Bucket, BucketFailed
from batchgen.store.pictures.found_in_bucket import list_originals
from batchgen.store.pictures.in_bucket import object_of, read_original
from batchgen.wording import counted

_READERS = 16


@dataclass(frozen=True, slots=True)
class BucketFinding:
    """One difference: ``missing``, ``altered``, ``foreign`` or ``unfinished``, the object, its key, what is wrong."""

    difference: str
    file: str
    key: str
    message: str


@dataclass(frozen=True, slots=True)
class _Recorded:
    original: str
    key: str
    size: int
    sha256: str


class BucketCheck:
    """The bucket at ``address`` as it was listed, to be compared with the ledger of ``folder`` that is read after it.

    Raises :class:`UsageError` or :class:`StoppedEarly` if the bucket can't be listed or read.
    """

    def __init__(self, address: str, folder: RunFolder) -> None:
        self._bucket = Bucket(address)
        self._folder = folder
        try:
            self._sizes = dict(list_originals(self._bucket))
        except BucketFailed as error:
            raise error.refusal() from error

    def compared(self, db: sqlite3.Connection, *, read_data: bool) -> Iterator[BucketFinding]:
        """Return what differs. A picture that waits on this disk is unfinished."""
        recorded = [_Recorded(*row) for row in db.execute(_RECORDED)]
        yield from filter(None, map(self._by_size, recorded))
        if read_data:
            whole = [one for one in recorded if self._sizes.get(one.original) == one.size]
            with ThreadPoolExecutor(_READERS) as readers:
                yield from filter(None, readers.map(self._by_bytes, whole))
        known = {one.original for one in recorded}
        answered = {key for (key,) in db.execute("SELECT key FROM requests WHERE state IN ('answered', 'sent')")}
        for original in self._sizes:
            if original not in known and original[3:35] not in answered:
                yield self._found("foreign", original, original[3:35], "the ledger does not know this picture")

    def _by_size(self, one: _Recorded) -> BucketFinding | None:
        size = self._sizes.get(one.original)
        if size == one.size:
            return None
        if self._folder.original(one.original).is_file():
            waits = "paid for, and it waits on this disk for the bucket; running again puts it there, free"
            return self._found("unfinished", one.original, one.key, waits)
        if size is None:
            return self._found("missing", one.original, one.key, "paid for, and its object is gone")
        return self._found("altered", one.original, one.key, f"{counted(size, 'byte')}, {one.size:,} were stored")

    def _by_bytes(self, one: _Recorded) -> BucketFinding | None:
        try:
            content = read_original(self._bucket, self._folder, one.original)
        except BucketFailed as error:
            raise error.refusal() from error
        if content is not None and hashlib.sha256(content).hexdigest() == one.sha256:
            return None
        return self._found("altered", one.original, one.key, "other bytes than were stored")

    def _found(self, difference: str, original: str, key: str, message: str) -> BucketFinding:
        return BucketFinding(difference, f"{self._bucket.address}/{object_of(original)}", key, message)


_RECORDED = """
SELECT p.original, r.key, p.bytes, p.sha256 FROM (
    SELECT request_id, original, bytes, sha256 FROM pictures UNION
    SELECT request_id, original, bytes, sha256 FROM other_takes
) p JOIN requests r ON r.id = p.request_id
WHERE r.discarded_ms IS NULL ORDER BY r.position, r.repeat, p.original
"""
