"""Money on its way: what may still be spent, and what may still be risked by asking twice.

The worst case is reserved before a request is sent and settled when its answer is in, so a cap holds whatever the
requests in flight turn out to cost.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.manifest import Shard
from batchgen.money import dollars
from batchgen.store.ledger.reader import Spent


@dataclass(frozen=True, slots=True)
class Night:
    """The cap of one night, and what its earlier runs spent of it: billed, maybe billed and estimated together."""

    cap_microusd: int
    before_microusd: int


class Budget:
    """The run's money in micro-dollars.

    ``cap`` bounds billed, maybe billed and estimated money together, over all runs of a folder; ``night`` bounds this
    night's money. ``balance``, what the account held when this run began, bounds what this run may spend, since
    the service reserves the worst case of every request in flight as well.
    """

    def __init__(
        self,
        cap_microusd: int | None,
        spent: Spent,
        *,
        balance_microusd: int | None = None,
        night: Night | None = None,
    ) -> None:
        self.cap_microusd = cap_microusd
        self.balance_microusd = balance_microusd
        self.night = night
        self._before_microusd = spent.billed_microusd + spent.maybe_microusd + spent.estimated_microusd
        self.billed_microusd = spent.billed_microusd
        self.maybe_microusd = spent.maybe_microusd
        self.estimated_microusd = spent.estimated_microusd
        self.reserved_microusd = 0

    @property
    def committed_microusd(self) -> int:
        """Return all that is spent, may be spent, or is reserved for what is in flight."""
        return self.billed_microusd + self.maybe_microusd + self.estimated_microusd + self.reserved_microusd

    def shortage(self, amount_microusd: int) -> str | None:
        """Return which limit a request of that worst-case price may exceed: a budget, the balance, or ``None``."""
        wanted = self.committed_microusd + amount_microusd
        if self.cap_microusd is not None and self.is_used_up(amount_microusd):
            return (
                f"the budget of {dollars(self.cap_microusd)} is used up: another request may cost "
                f"{dollars(amount_microusd)}; --budget, or limits.budget_usd, raises it"
            )
        if (
            self.night is not None
            and wanted - self._before_microusd + self.night.before_microusd > self.night.cap_microusd
        ):
            return (
                f"the night's budget of {dollars(self.night.cap_microusd)} is used up: another request may cost "
                f"{dollars(amount_microusd)}; the next night has a new one"
            )
        # A request that costs nothing needs no balance.
        if (
            self.balance_microusd is not None
            and amount_microusd
            and wanted - self._before_microusd > self.balance_microusd
        ):
            return f"the account's balance of {dollars(self.balance_microusd)} does not cover another request"
        return None

    def is_used_up(self, amount_microusd: int) -> bool:
        """Return whether a request of that worst-case price may exceed the cap, which a person may raise."""
        return self.cap_microusd is not None and self.committed_microusd + amount_microusd > self.cap_microusd

    def reserve(self, amount_microusd: int) -> None:
        self.reserved_microusd += amount_microusd

    def settle(
        self, reserved_microusd: int, *, billed_microusd: int = 0, maybe_microusd: int = 0, estimated_microusd: int = 0
    ) -> None:
        """Replace a reservation by what was, or may have been, spent of it."""
        self.reserved_microusd -= reserved_microusd
        self.billed_microusd += billed_microusd
        self.maybe_microusd += maybe_microusd
        self.estimated_microusd += estimated_microusd


class Risk:
    """What may be paid twice: the run-wide cap on repeating requests in doubt.

    ``cap_microusd`` is what the manifest says of this run. ``expected_microusd`` are the costs of the whole plan, by
    which the cap is set if the manifest says nothing; a ``shard`` has its part of that.
    """

    SMALLEST_CAP_MICROUSD = 500_000
    SHARE_OF_ESTIMATE = 100
    # A request this dear, or of unknown price, is never repeated unasked.
    HOLD_FROM_MICROUSD = 250_000

    def __init__(
        self, cap_microusd: int | None, *, expected_microusd: int, risked_microusd: int, shard: Shard | None = None
    ) -> None:
        default = max(self.SMALLEST_CAP_MICROUSD, expected_microusd // self.SHARE_OF_ESTIMATE)
        if shard is not None:
            default = shard.part_of(default)
        self.cap_microusd = default if cap_microusd is None else cap_microusd
        self.risked_microusd = risked_microusd

    def covers(self, price_microusd: int | None) -> bool:
        """Return whether a request of that worst-case price may be repeated."""
        if price_microusd is None or price_microusd >= self.HOLD_FROM_MICROUSD:
            return False
        return self.risked_microusd + price_microusd <= self.cap_microusd

    def take(self, price_microusd: int | None) -> bool:
        """Count a price that the cap :meth:`covers` as risked; return whether the cap does."""
        if price_microusd is None or not self.covers(price_microusd):
            return False
        self.risked_microusd += price_microusd
        return True


class RetryTokens:
    """The run-wide budget of retries: 20, and one more for every five first attempts, as Finagle and AWS shape it.

    Single requests may fail and be tried again; when most of them do, trying again only makes matters worse.
    """

    # In fifths of a retry, so that sums stay exact: a first attempt earns one, a retry takes five.
    RETRY = 5
    START = 20 * RETRY
    MOST = 100 * RETRY

    def __init__(self) -> None:
        self._fifths = self.START

    def earn(self) -> None:
        """Count the first attempt of a request."""
        self._fifths = min(self.MOST, self._fifths + 1)

    def take(self) -> bool:
        """Return whether one more retry may be made, and count that retry."""
        if self._fifths < self.RETRY:
            return False
        self._fifths -= self.RETRY
        return True
