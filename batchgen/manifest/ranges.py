"""Ranges of numbers, both ends included, as exact decimal text."""

from __future__ import annotations

from decimal import Decimal

# More numbers than this on one axis are a mistake in the step.
MOST_NUMBERS = 10_000


def numbers(first: Decimal, last: Decimal, step: Decimal | None) -> list[str]:
    """Return ``first`` to ``last`` in steps of ``step`` (default 1), up or down, with as many decimals as those have.

    Raise :class:`ValueError`, worded to follow the range's name, if the step is 0, leads away from ``last``,
    misses it, or makes more than 10,000 numbers.
    """
    stride = _stride(first, last, Decimal(1) if step is None else step)
    count, rest = divmod(last - first, stride)
    if count >= MOST_NUMBERS:
        raise ValueError(f"makes {int(count) + 1:,} values; {MOST_NUMBERS:,} at most: enlarge the step")
    if rest:
        raise ValueError(
            f"must end where its steps do: from {first} in steps of {abs(stride)} it reaches "
            f"{first + count * stride} and misses {last}"
        )
    places = min(int(one.as_tuple().exponent) for one in (first, stride))
    return [str((first + position * stride).quantize(Decimal((0, (1,), places)))) for position in range(int(count) + 1)]


def _stride(first: Decimal, last: Decimal, step: Decimal) -> Decimal:
    """Return the step with its direction: going down it may be written with a minus sign or without."""
    if not step:
        raise ValueError(f"must have a step other than 0 to get from {first} to {last}")
    if last < first:
        return -abs(step)
    if step < 0:
        raise ValueError(f"must have a step above 0 to get from {first} up to {last}, found {step}")
    return step
