"""Money as whole micro-dollars (1e-6 USD): sums of a million requests stay exact.

Three sums exist and are never mixed: billed, maybe billed, estimated.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

MICROUSD = 1_000_000

# A stated cost above this many times the estimate is taken for an error of the service.
PLAUSIBLE_FACTOR = 50


def microusd(usd: object) -> int | None:
    """Return an amount in USD as whole micro-dollars, or ``None`` if it is no finite number ≥ 0.

    Accepts ``int``, ``float``, ``Decimal`` and numeric text; a ``bool`` is not money.
    """
    if isinstance(usd, bool) or not isinstance(usd, int | float | Decimal | str):
        return None
    text = str(usd).strip()
    # `Decimal` accepts `1_000`, as Python does, but no service writes amounts so.
    if "_" in text:
        return None
    try:
        amount = Decimal(text)
    except InvalidOperation:
        return None
    if not amount.is_finite() or amount < 0 or amount.adjusted() > 12:
        return None
    return int((amount * MICROUSD).to_integral_value(ROUND_HALF_UP))


def plausible(cost_microusd: int | None, estimate_microusd: int | None) -> bool:
    """Return whether a stated cost can be believed: known, and at most 50 times a known, positive estimate."""
    if cost_microusd is None:
        return False
    return not estimate_microusd or cost_microusd <= PLAUSIBLE_FACTOR * estimate_microusd


def usd(amount_microusd: int) -> float:
    """Return the amount in USD, for tables and JSON; exact to the micro-dollar up to billions."""
    return amount_microusd / MICROUSD


def dollars(amount_microusd: int) -> str:
    """Return ``$1.23``, with as many decimals as the amount needs, from two to six."""
    sign = "-" if amount_microusd < 0 else ""
    whole, micro = divmod(abs(amount_microusd), MICROUSD)
    decimals = f"{micro:06d}".rstrip("0").ljust(2, "0")
    return f"{sign}${whole:,}.{decimals}"
