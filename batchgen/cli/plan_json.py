"""A plan for programs: one JSON object, and before it a line for each request if the reasons are asked for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from batchgen.commands.plan import BudgetLeft, Outlook, TakesPrice
    from batchgen.manifest import Manifest
    from batchgen.planning.forecast import ModelForecast
    from batchgen.planning.reasons import Explained


def plan_object(outlook: Outlook, manifest: Manifest, folder: Path) -> dict[str, object]:
    """Return all that `batchgen plan` shows. Amounts are whole micro-dollars; ``null`` is one that nobody states."""
    forecast, orphans = outlook.forecast, outlook.orphans
    return {
        "name": manifest.name,
        "folder": str(folder),
        "provider": manifest.provider.kind,
        "requests": forecast.requests,
        "new": forecast.new,
        "equal": forecast.equal,
        "reused": forecast.reused,
        "reasons": {reason.value: count for reason, count in outlook.reasons.items()},
        "axes": forecast.by_axis,
        "models": [_model(name, part) for name, part in forecast.by_model.items()],
        "low_microusd": forecast.low_microusd,
        "expected_microusd": forecast.expected_microusd,
        "high_microusd": forecast.high_microusd,
        "unpriced": forecast.unpriced,
        "duration_s": forecast.duration_s,
        "budgets": [_budget(left) for left in outlook.budgets],
        "first": [request_object(one) for one in outlook.first],
        "gone": outlook.gone,
        "orphans": None if orphans is None else {"count": orphans.count, "kept": orphans.kept},
        "takes": None if outlook.takes is None else _takes(outlook.takes),
        "notices": forecast.notices,
    }


def request_object(one: Explained) -> dict[str, object]:
    """Return a request, why it would be sent or not, and how it differs from the nearest one that was bought."""
    return {
        "row": one.request.row,
        "key": one.request.key,
        "model": one.request.model,
        "reason": one.reason.value,
        "parameters": one.request.parameters,
        "axes": one.request.axes,
        "differences": one.relative.differences if one.relative else [],
    }


def _model(name: str, part: ModelForecast) -> dict[str, object]:
    cost = part.cost
    return {
        "model": name,
        "requests": part.requests,
        "new": part.new,
        "low_microusd": cost.low_microusd if cost else None,
        "expected_microusd": cost.expected_microusd if cost else None,
        "high_microusd": cost.high_microusd if cost else None,
        "price_by": cost.source if cost else None,
        "median_ms": part.median_ms,
    }


def _takes(takes: TakesPrice) -> dict[str, object]:
    price = takes.price
    return {
        "count": takes.count,
        "low_microusd": price.low_microusd if price else None,
        "expected_microusd": price.expected_microusd if price else None,
        "high_microusd": price.high_microusd if price else None,
        "unpriced": takes.unpriced,
    }


def _budget(left: BudgetLeft) -> dict[str, object]:
    ends = None if left.ends_ms is None else datetime.fromtimestamp(left.ends_ms / 1000, UTC)
    return {
        "night": left.night,
        "cap_microusd": left.cap_microusd,
        "left_microusd": left.left_microusd,
        "enough": left.enough,
        "ends_at": ends.isoformat(timespec="seconds") if ends else None,
    }
