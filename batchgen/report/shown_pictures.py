"""Which file a report shows for a picture: its name in ``images/``, or its thumbnail if it rests in a bucket."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.ledger.pictures_at import pictures_at
from batchgen.store.looks.thumbnails import thumbnail_name


@dataclass(frozen=True, slots=True)
class ShownPictures:
    """The pictures of one run folder, of which a snapshot of the ledger ``db`` tells, as a page in it can show them."""

    folder: RunFolder
    db: sqlite3.Connection

    @property
    def absence(self) -> str:
        """Return why a stored picture is not shown."""
        address = pictures_at(self.db)
        return f"in {address}, without a thumbnail" if address else "not in images/ any more"

    def of(self, file: str) -> str:
        """Return the file to show for the picture of a name, relative to the run folder; empty if there is none."""
        if pictures_at(self.db):
            found = self.db.execute(_DIGEST, (file,)).fetchone()
            file = thumbnail_name(found[0]) if found else ""
        return file if file and (self.folder.root / file).is_file() else ""


_DIGEST = """
SELECT p.sha256 FROM names n JOIN pictures p ON p.request_id = n.request_id AND p.ordinal = n.ordinal WHERE n.file = ?
"""
