"""Admission to a generation endpoint: key, rate limits, parameters, and the account's credit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import anyio
from starlette.requests import Request

from batchgen.simulator.access import key_name
from batchgen.simulator.dialects import Dialect
from batchgen.simulator.faults import GENERATION_KINDS, Fault
from batchgen.simulator.fields import read_fields
from batchgen.simulator.mishaps import failure_of, insufficient_credits, turned_away_by
from batchgen.simulator.orders import Order, order_from
from batchgen.simulator.problems import FailedGeneration, TurnedAway
from batchgen.simulator.rate_windows import Allowance, images_per_s, videos_per_s
from batchgen.simulator.sales import Customer, Sale
from batchgen.simulator.service import SimulatedService


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """An admitted request. Without a sale, the account can't pay for it."""

    order: Order
    fault: Fault | None
    sale: Sale | None
    failure: FailedGeneration | None


class Door:
    """Admits requests, one after the other, in one dialect."""

    def __init__(self, service: SimulatedService, dialect: Dialect, makes: Literal["image", "video"]) -> None:
        self._service = service
        self._dialect = dialect
        self._makes = makes

    async def admit(self, request: Request, headers: dict[str, str]) -> Admission:
        """Return the request, admitted, and add the rate limits that its answer states to ``headers``.

        Raise ``TurnedAway``, or ``UnreadableBody`` for a body above the limit.
        """
        settings = self._service.settings
        name = key_name(request, settings.required_key)
        self._count(request, name, headers)
        fields = await read_fields(request, self._dialect.json_limit_bytes)
        order = order_from(fields, replace(self._dialect.house(settings.prompt_limit), makes=self._makes))
        self._allow_free(order, name)
        fault = self._fault(order)
        if fault is not None and not fault.is_billed and (away := turned_away_by(fault, order)) is not None:
            raise away
        if fault is not None and fault.pictures:
            order = replace(order, model=replace(order.model, pictures=fault.pictures))
        failure = failure_of(order, fault)
        if fault is not None and fault.kind in {"insufficient_credits", "supplier_dry"}:
            return Admission(order=order, fault=fault, sale=None, failure=failure)
        customer = Customer(key_name=name, idempotency_key=request.headers.get("idempotency-key"))
        sale = self._service.sales.accept(order, customer, failure)
        failure = failure if sale else insufficient_credits(order)
        return Admission(order=order, fault=fault, sale=sale, failure=failure)

    def _count(self, request: Request, name: str, headers: dict[str, str]) -> None:
        settings, now_s = self._service.settings, anyio.current_time()
        if settings.requests_per_s_per_address:
            address = request.client.host if request.client else ""
            self._refuse_beyond(self._service.by_address.take(address, settings.requests_per_s_per_address, now_s))
        if settings.rate_limits:
            balance = self._service.sales.available_microusd
            limit = images_per_s(balance) if self._makes == "image" else videos_per_s(balance)
            standing = self._service.by_account.take(f"{name} {self._makes}", limit, now_s)
            headers.update(self._dialect.limit_headers(standing))
            self._refuse_beyond(standing)

    def _refuse_beyond(self, standing: Allowance) -> None:
        if not standing.allowed:
            message = f"Rate limit exceeded: {standing.limit} requests per second. Please slow down."
            raise TurnedAway(429, "rate_limit_error", message, code="rate_limit_exceeded", headers={"Retry-After": "1"})

    def _allow_free(self, order: Order, name: str) -> None:
        allowance = self._service.settings.free_per_day
        if order.model.free and self._service.sales.free_requests_today(name) >= allowance:
            raise TurnedAway(429, "rate_limit_error", f"Daily limit of {allowance} free requests reached")

    def _fault(self, order: Order) -> Fault | None:
        attempt = self._service.attempts[order.body_sha256]
        self._service.attempts[order.body_sha256] += 1
        return self._dry_supplier(order) or self._service.faults.striking(
            GENERATION_KINDS, order.model.id, order.body_sha256, attempt
        )

    def _dry_supplier(self, order: Order) -> Fault | None:
        """Return the fault of a supplier whose deposit doesn't suffice for one more, as for the customer's own."""
        for fault in self._service.faults.of_kind("supplier_dry", order.model.id):
            committed = self._service.sales.committed_microusd(fault.model)
            if committed + order.model.most_microusd * order.times > fault.deposit_usd * 1_000_000:
                return fault
        return None
