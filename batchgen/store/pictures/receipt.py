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
    """The bill of the request with this ``key``, whose answer the ``attempt`` brought; ``None`` if nothing was sent."""

    key: str
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
        if self.attempt is not None:
            said["attempt"] = str(self.attempt)
        if self.source is not None and self.source.isascii():
            said["costsource"] = self.source
        return said


def receipt_of(db: sqlite3.Connection, key: str) -> Receipt:
    """Return the receipt of a request that is answered by now."""
    attempt, billed, estimated, source = db.execute(_PAID, (key,)).fetchone()
    return Receipt(key, attempt, billed or 0, estimated or 0, source)


def read_receipt(attributes: Mapping[str, str]) -> Receipt | None:
    """Return the receipt in the attributes of an object, ``None`` if they are none: a bucket may be a stranger's."""
    numbers = {}
    for name in ("attempt", "costmicrousd", "estimatemicrousd"):
        with suppress(KeyError):
            said = attributes[name]
            if not (said.isascii() and said.isdecimal() and len(said) <= _DIGITS):
                return None
            numbers[name] = int(said)
    if "key" not in attributes or "costmicrousd" not in numbers:
        return None
    return Receipt(
        attributes["key"],
        numbers.get("attempt"),
        numbers["costmicrousd"],
        numbers.get("estimatemicrousd", 0),
        attributes.get("costsource"),
    )


_PAID = """
SELECT max(a.id), sum(a.billed_microusd), sum(a.estimated_microusd),
       (SELECT cost_source FROM attempts WHERE request_id = r.id AND cost_source IS NOT NULL ORDER BY id DESC LIMIT 1)
FROM requests r LEFT JOIN attempts a ON a.request_id = r.id WHERE r.key = ?
"""
