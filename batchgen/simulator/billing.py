"""The billing ledger: one line for every accepted request, and the sums over them.

It is the service's record, separate from the client's, so that the two can be compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal

import msgspec

from batchgen.simulator.json_log import LineFile


@dataclass(frozen=True, slots=True, kw_only=True)
class BillingLine:
    """One line of the ledger. ``key_name`` identifies a key without revealing it."""

    id: str
    time: str
    key_name: str
    model: str
    prompt_sha256: str
    body_sha256: str
    idempotency_key: str | None
    charged_microusd: int
    outcome: Literal["billed", "refunded"]
    pictures: tuple[str, ...]


class BillingLedger:
    """All purchases and their sums; with a path, also those of earlier processes."""

    def __init__(self, path: Path | None) -> None:
        self.charged_microusd = 0
        self.billed = 0
        self.refunded = 0
        self.charged_by_key: Counter[str] = Counter()
        self.requests_by_key: Counter[str] = Counter()
        self._charged_by_model: Counter[str] = Counter()
        self._free: Counter[tuple[str, str]] = Counter()
        self._billed_bodies: Counter[str] = Counter()
        self._refunded_bodies: Counter[str] = Counter()
        self._billed_idempotency: Counter[str] = Counter()
        self._refunded_idempotency: Counter[str] = Counter()
        self._lines = LineFile(path)
        if path is not None:
            for line in self._lines.read():
                self._count(msgspec.json.decode(line, type=BillingLine))

    def record(self, purchase: BillingLine) -> None:
        """Append a purchase, and count it."""
        self._lines.append(msgspec.json.encode(purchase))
        self._count(purchase)

    def times_billed(self, body_sha256: str) -> int:
        """Return how many requests with this body were billed."""
        return self._billed_bodies[body_sha256]

    def times_seen(self, body_sha256: str) -> int:
        """Return how many requests with this body were settled, billed or refunded."""
        return self._billed_bodies[body_sha256] + self._refunded_bodies[body_sha256]

    def charged_for(self, models: str) -> int:
        """Return what the models of this glob were charged for."""
        return sum(charged for model, charged in self._charged_by_model.items() if fnmatchcase(model, models))

    def free_requests(self, key_name: str, day: str) -> int:
        """Return how many requests to free models the key made on that day (``2026-01-31``, UTC)."""
        return self._free[key_name, day]

    def counts(self) -> dict[str, Any]:
        """Return the number of billed and refunded requests, in all, by body and by idempotency key."""
        return {
            "billed": self.billed,
            "refunded": self.refunded,
            "charged_microusd": self.charged_microusd,
            "bodies": _side_by_side(self._billed_bodies, self._refunded_bodies),
            "idempotency_keys": _side_by_side(self._billed_idempotency, self._refunded_idempotency),
        }

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def _count(self, purchase: BillingLine) -> None:
        billed = purchase.outcome == "billed"
        self.charged_microusd += purchase.charged_microusd
        self.charged_by_key[purchase.key_name] += purchase.charged_microusd
        self.requests_by_key[purchase.key_name] += 1
        self._charged_by_model[purchase.model] += purchase.charged_microusd
        if purchase.model.endswith(":free"):
            self._free[purchase.key_name, purchase.time[:10]] += 1
        self.billed += billed
        self.refunded += not billed
        (self._billed_bodies if billed else self._refunded_bodies)[purchase.body_sha256] += 1
        if purchase.idempotency_key is not None:
            (self._billed_idempotency if billed else self._refunded_idempotency)[purchase.idempotency_key] += 1


def _side_by_side(billed: Counter[str], refunded: Counter[str]) -> dict[str, dict[str, int]]:
    return {name: {"billed": billed[name], "refunded": refunded[name]} for name in sorted({*billed, *refunded})}
