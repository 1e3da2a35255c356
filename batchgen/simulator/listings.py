"""The service's catalogue: today's array, the object of 2026-02, and the older ``/v1/models``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batchgen.simulator.offered_models import MODELS, OfferedModel


def chosen(query: Mapping[str, str]) -> Sequence[OfferedModel]:
    """Return the models that pass the query's filters, in its order."""
    models = [model for model in MODELS if _matches(model, query)]
    match query.get("sort"):
        case "name":
            models.sort(key=lambda model: model.id.lower())
        case "price":
            models.sort(key=lambda model: model.price_microusd[1])
        case "provider":
            models.sort(key=lambda model: _provider(model).lower())
        case "date":
            models.sort(key=lambda model: model.released, reverse=True)
    limit = query.get("limit", "")
    return models[: int(limit)] if limit.isdecimal() else models


def _matches(model: OfferedModel, query: Mapping[str, str]) -> bool:
    output = query.get("outputType", query.get("type", model.makes))
    words = query.get("name", "").lower()
    provider = query.get("provider", "").lower()
    free = query.get("free", "").lower()
    return (
        output == model.makes
        and (words in model.id.lower() or words in model.name.lower())
        and provider in {"", _provider(model).lower()}
        and (not free or model.free == (free == "true"))
    )


def as_object(models: Sequence[OfferedModel]) -> dict[str, Any]:
    """Return the catalogue as an object by id, as the service sent it in 2026-02."""
    return {model.id: _entry(model) for model in models}


def as_array(models: Sequence[OfferedModel]) -> list[dict[str, Any]]:
    """Return the catalogue as an array, as the service sends it today."""
    return [{"id": model.id, "name": model.name, "aliases": list(model.aliases), **_entry(model)} for model in models]


def as_v1(model: OfferedModel) -> dict[str, Any]:
    """Return one model in the older shape."""
    least, average, most = _price(model).values()
    pricing: dict[str, Any] = {"type": "fixed", "value": average}
    if least != most:
        pricing = {"type": "calculated", "range": {"min": least, "average": average, "max": most}}
    return {
        "id": model.id,
        "release_date": model.released,
        "output": [model.makes],
        "providers": [{"id": "simulator", "model_name": model.id, "pricing": pricing}],
        "supported_params": {"quality": model.takes_quality, "mask": model.takes_mask, "edit": model.takes_image},
        "sizes": _sizes(model),
    }


def _entry(model: OfferedModel) -> dict[str, Any]:
    return {
        "release_date": model.released,
        "output": [model.makes],
        "inputs": {
            "image": model.takes_image,
            "mask": model.takes_mask,
            "quality": model.takes_quality,
            "size": _sizes(model),
            **({"seconds": sorted(model.seconds)} if model.seconds else {}),
        },
        "price": _price(model),
    }


def _sizes(model: OfferedModel) -> list[str]:
    return list(model.sizes) or ["custom"]


def _price(model: OfferedModel) -> dict[str, float]:
    least, average, most = (amount / 1_000_000 for amount in model.price_microusd)
    return {"min": least, "average": average, "max": most}


def _provider(model: OfferedModel) -> str:
    return model.id.partition("/")[0]
