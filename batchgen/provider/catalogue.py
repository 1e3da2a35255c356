"""ImageRouter's catalogue, in any of its shapes: array, ``{data: []}``, or object by id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from batchgen.money import microusd
from batchgen.provider.interface import Catalogue, Model, Price

# A size list that holds this word: the model takes any size.
_ANY_SIZE = "custom"
# An object by id may also be an error: a model has at least one of these keys.
_OF_A_MODEL = frozenset({"inputs", "output", "price"})


def read_catalogue(stated: object) -> Catalogue:
    """Return the catalogue in a decoded answer of ``GET /v2/models``; entries that are no model are left out."""
    models = (_model(name, entry) for name, entry in _entries(stated))
    return Catalogue({model.id: model for model in models if model is not None})


def _entries(stated: object) -> Iterable[tuple[object, object]]:
    if isinstance(stated, Mapping):
        inner = stated.get("data")
        if not isinstance(inner, list):
            return ((name, entry) for name, entry in stated.items() if _OF_A_MODEL & _mapping(entry).keys())
        stated = inner
    if not isinstance(stated, list):
        return ()
    return ((entry.get("id"), entry) for entry in stated if isinstance(entry, Mapping))


def _model(name: object, entry: object) -> Model | None:
    if not isinstance(name, str) or not name or not isinstance(entry, Mapping):
        return None
    inputs = _mapping(entry.get("inputs"))
    sizes = _words(inputs.get("size"))
    return Model(
        id=name,
        kind=next(iter(_words(entry.get("output"))), "image"),
        price=_price(_mapping(entry.get("price"))),
        aliases=_words(entry.get("aliases")),
        sizes=() if _ANY_SIZE in sizes else sizes,
        seconds=_words(inputs.get("seconds")),
        takes_quality=inputs.get("quality") is not False,
        takes_image=inputs.get("image") is not False,
        takes_mask=inputs.get("mask") is not False,
        released=next(iter(_words(entry.get("release_date"))), ""),
    )


def _price(stated: Mapping[str, Any]) -> Price | None:
    low, average, high = (microusd(stated.get(name)) for name in ("min", "average", "max"))
    known = [amount for amount in (low, average, high) if amount is not None]
    if not known:
        return None
    expected = average if average is not None else max(known)
    return Price(min(known), expected, max(known), "catalogue")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _words(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list):
        return ()
    return tuple(str(word) for word in value if isinstance(word, str | int | float) and not isinstance(word, bool))
