"""The receipt that lies with a picture in a bucket: what was paid for it, so that a lost ledger can be made anew."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from batchgen.store.ledger.transitions import Bill

_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Receipt:
    """The bill of one ``take`` of the request with this ``key``, whose answer the ``attempt`` brought.

    There is no attempt if nothing was sent.
    """

    key: str
    take: int = 1
    attempt: int | None = None
    billed_microusd: int = 0
    estimated_microusd: int = 0
    source: str | None = None

    @property
    def bill(self) -> Bill:
        flag = None if self.billed_microusd else "recovered"
        return Bill(self.billed_microusd, self.estimated_microusd, flag=flag, source=self.source)

    def attributes(self, *, sha256: str, format_name: str) -> dict[str, str]:
        """Return the receipt as attributes of an object, beside what its bytes are. ASCII only, and never a prompt.

        Their names are letters and digits: nginx drops headers with an underscore, and Azure takes no dash.
        """
        said = {
            "key": self.key,
            "sha256": sha256,
            "format": format_name,
            "costmicrousd": str(self.billed_microusd),
            "estimatemicrousd": str(self.estimated_microusd),
        }
        if self.take > 1:
            said["take"] = str(self.take)
        if self.attempt is not None:
            said["attempt"] = str(self.attempt)
        if self.source is not None and self.source.isascii():
            said["costsource"] = self.source
        return said


def receipt_of(db: sqlite3.Connection, request_id: int) -> Receipt:
    """Return the receipt of a request, or of a further take of one, that is answered and is no picture yet."""
    key, take = db.execute("SELECT key, take FROM requests WHERE id = ?", (request_id,)).fetchone()
    return _receipt(db, key, request_id, take)


def receipt_for(db: sqlite3.Connection, original: str) -> Receipt:
    """Return the receipt of a picture at rest, which the ledger may not know yet: then its answer is the newest one."""
    key = original[3:35]
    if found := db.execute(_TAKE_OF, (original,)).fetchone():
        return _receipt(db, key, *found)
    return receipt_of(db, *db.execute(_NEWEST, (key,)).fetchone())


def _receipt(db: sqlite3.Connection, key: str, request_id: int, take: int) -> Receipt:
    attempt, billed, estimated, source = db.execute(_PAID, {"id": request_id, "take": take}).fetchone()
    return Receipt(key, take, attempt, billed or 0, estimated or 0, source)


def read_receipt(attributes: Mapping[str, str]) -> Receipt | None:
    """Return the receipt in the attributes of an object, ``None`` if they are none: a bucket may be a stranger's."""
    numbers = {}
    for name in ("take", "attempt", "costmicrousd", "estimatemicrousd"):
        with suppress(KeyError):
            said = attributes[name]
            if not (said.isascii() and said.isdecimal() and len(said) <= _DIGITS):
                return None
            numbers[name] = int(said)
    if "key" not in attributes or "costmicrousd" not in numbers:
        return None
    return Receipt(
        attributes["key"],
        max(1, numbers.get("take", 1)),
        numbers.get("attempt"),
        numbers["costmicrousd"],
        numbers.get("estimatemicrousd", 0),
        attributes.get("costsource"),
    )


_PAID = """
SELECT max(id), sum(billed_microusd), sum(estimated_microusd), (
    SELECT cost_source FROM attempts WHERE request_id = :id AND take = :take AND cost_source IS NOT NULL
    ORDER BY id DESC LIMIT 1
) FROM attempts WHERE request_id = :id AND take = :take
"""

_TAKE_OF = """
SELECT request_id, take FROM pictures WHERE original = ?1 UNION ALL
SELECT request_id, take FROM other_takes WHERE original = ?1
"""

_NEWEST = "SELECT id FROM requests WHERE key = ? ORDER BY state = 'answered' DESC, take DESC LIMIT 1"
