"""Accepting requests and settling them: reserve the highest cost, then charge the actual one or release all.

An open sale is settled whatever the client does: the service finishes and bills without it.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from batchgen.simulator.billing import BillingLedger, BillingLine
from batchgen.simulator.image_tokens import token_cost_microusd
from batchgen.simulator.orders import Order
from batchgen.simulator.pricing import cost_microusd
from batchgen.simulator.problems import FailedGeneration
from batchgen.simulator.sold_pictures import PictureStore, SoldPicture, pictures_for


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """The customer of a request: the name of the key, and the idempotency key sent along."""

    key_name: str
    idempotency_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sale:
    """One accepted request. Its outcome is known from the start: ``failure``, or ``cost_microusd`` charged."""

    id: str
    order: Order
    customer: Customer
    nth: int  # how many requests with this very body were accepted before
    reserved_microusd: int
    cost_microusd: int
    failure: FailedGeneration | None


class Sales:
    """The account, its open sales and the ledger of the settled ones."""

    def __init__(self, deposit_microusd: int, ledger: BillingLedger, pictures: PictureStore) -> None:
        self.deposit_microusd = deposit_microusd
        self.ledger = ledger
        self.peak_in_flight = 0
        self._pictures = pictures
        self._reserved_microusd = 0
        self._open: dict[str, Sale] = {}
        self._open_bodies: Counter[str] = Counter()

    @property
    def in_flight(self) -> int:
        return len(self._open)

    @property
    def available_microusd(self) -> int:
        """What is left of the deposit after charges and reservations."""
        return self.deposit_microusd - self.ledger.charged_microusd - self._reserved_microusd

    def accept(self, order: Order, customer: Customer, failure: FailedGeneration | None) -> Sale | None:
        """Open a sale and reserve the most it can cost; return ``None`` if the credits don't suffice."""
        cost = _cost_microusd(order)
        most_microusd = max(order.model.most_microusd * order.times, cost)
        if most_microusd > self.available_microusd:
            return None
        body = order.body_sha256
        nth = self.ledger.times_seen(body) + self._open_bodies[body]
        sale = Sale(
            id=hashlib.sha256(f"{body} {nth}".encode()).hexdigest()[:24],
            order=order,
            customer=customer,
            nth=nth,
            reserved_microusd=most_microusd,
            cost_microusd=cost,
            failure=failure,
        )
        self._reserved_microusd += most_microusd
        self._open[sale.id] = sale
        self._open_bodies[body] += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return sale

    def settle(self, sale: Sale) -> tuple[SoldPicture, ...]:
        """Close the sale: charge and return its pictures, or refund it. A closed sale returns none."""
        if self._open.pop(sale.id, None) is None:
            return ()
        self._open_bodies[sale.order.body_sha256] -= 1
        if not self._open_bodies[sale.order.body_sha256]:
            del self._open_bodies[sale.order.body_sha256]
        self._reserved_microusd -= sale.reserved_microusd
        pictures = self._made(sale)
        for picture in pictures:
            self._pictures.add(picture)
        self.ledger.record(_purchase(sale, pictures))
        return pictures

    def settle_all(self) -> None:
        """Close every open sale at once, as if its generation had just ended."""
        for sale in tuple(self._open.values()):
            self.settle(sale)

    def committed_microusd(self, models: str) -> int:
        """Return what the models of this glob were charged for, and what open sales of them may cost at most."""
        reserved = sum(
            sale.reserved_microusd for sale in self._open.values() if fnmatchcase(sale.order.model.id, models)
        )
        return reserved + self.ledger.charged_for(models)

    def free_requests_today(self, key_name: str) -> int:
        """Return the number of this key's requests to free models since midnight UTC, open ones included."""
        waiting = sum(sale.order.model.free and sale.customer.key_name == key_name for sale in self._open.values())
        return waiting + self.ledger.free_requests(key_name, _now()[:10])

    def _made(self, sale: Sale) -> tuple[SoldPicture, ...]:
        if sale.failure is not None:
            return ()
        return pictures_for(sale.order, self.ledger.times_billed(sale.order.body_sha256))


def _cost_microusd(order: Order) -> int:
    if order.usage is not None:
        return token_cost_microusd(order.model, order.usage)
    return cost_microusd(order.model, order.quality, order.width, order.height, order.seconds) * order.times


def _purchase(sale: Sale, pictures: tuple[SoldPicture, ...]) -> BillingLine:
    return BillingLine(
        id=sale.id,
        time=_now(),
        key_name=sale.customer.key_name,
        model=sale.order.model.id,
        prompt_sha256=sale.order.prompt_sha256,
        body_sha256=sale.order.body_sha256,
        idempotency_key=sale.customer.idempotency_key,
        charged_microusd=sale.cost_microusd if sale.failure is None else 0,
        outcome="billed" if sale.failure is None else "refunded",
        pictures=tuple(picture.id for picture in pictures),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
