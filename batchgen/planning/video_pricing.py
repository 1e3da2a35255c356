"""How the price of a film depends on its length, by the catalogue or by what was billed."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from batchgen.manifest import Manifest
from batchgen.provider.interface import Model, Price
from batchgen.request import Experience

# Prices are rounded: two prices per second that differ by less are the same.
_ROUNDING = 0.01
# A cost is stated in steps of 1e-4 USD: more digits would be a pretence.
_STEP_MICROUSD = 100


def length_s(asked: tuple[str, str, str]) -> float | None:
    """Return the seconds of a film among quality, size and seconds; ``None`` if they are left to the model."""
    return _number(asked[2])


def usual_length_s(manifest: Manifest) -> float | None:
    """Return the mean length of a manifest's films in seconds; ``None`` if rows or the model decide it."""
    of_axes = [one.settings["seconds"] for axis in manifest.axes for one in axis.values if "seconds" in one.settings]
    if not of_axes and "seconds" in (manifest.rows.columns or ()):
        return None
    lengths = [_number(str(one)) for one in of_axes or [manifest.defaults.get("seconds", "")]]
    known = [length for length in lengths if length is not None]
    return sum(known) / len(known) if known else None


def price_of_length(model: Model, seconds: float | None) -> Price | None:
    """Return the catalogue's price of a film of so many seconds, or of any other request.

    The catalogue states one range for all lengths. If the shortest film at the least and the longest at the most have
    the same price per second, that is the price of each. Else size or quality count as well: then a longer film is
    expected to cost more within that range, and any may still cost the most.
    """
    price, lengths = model.price, sorted(filter(None, map(_number, model.seconds)))
    if price is None or seconds is None or len(lengths) < 2 or price.low_microusd == price.high_microusd:
        return price
    shortest, longest = lengths[0], lengths[-1]
    seconds = min(max(seconds, shortest), longest)
    rates = sorted((price.low_microusd / shortest, price.high_microusd / longest))
    share = (seconds - shortest) / (longest - shortest)
    between = price.low_microusd + share * (price.high_microusd - price.low_microusd)
    expected = min(max(_STEP_MICROUSD * round(between / _STEP_MICROUSD), price.low_microusd), price.high_microusd)
    if rates[1] - rates[0] > _ROUNDING * rates[1]:
        return replace(price, expected_microusd=expected)
    low = math.floor(rates[0] * seconds)
    high = min(math.ceil(round(rates[1] * seconds, 3)), price.high_microusd)
    return replace(price, low_microusd=low, expected_microusd=min(max(low, expected), high), high_microusd=high)


def of_length(every: Experience | None, parts: Iterable[Experience], seconds: float | None) -> Experience | None:
    """Return ``every`` answer of a model as if each were a film of so many seconds; ``parts`` are its parts.

    Different lengths are never averaged: a film whose length was left to the model says nothing of another one.
    """
    priced = [(length_s(one.like) if one.like else None, one) for one in parts if one.billed]
    if every is None or all(length == seconds for length, _ in priced):
        return every
    if seconds is None:
        return _sum([(1.0, one) for length, one in priced if length is None])
    return _sum([(seconds / length, one) for length, one in priced if length is not None])


def _sum(parts: list[tuple[float, Experience]]) -> Experience | None:
    """Return the sum of the parts, each times its factor."""
    if not parts:
        return None
    billed = sum(one.billed for _, one in parts)
    return replace(
        parts[0][1],
        like=None,
        billed=billed,
        least_microusd=min(math.floor(factor * one.least_microusd) for factor, one in parts),
        mean_microusd=round(sum(factor * one.mean_microusd * one.billed for factor, one in parts) / billed),
        most_microusd=max(math.ceil(round(factor * one.most_microusd, 3)) for factor, one in parts),
    )


def _number(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None
