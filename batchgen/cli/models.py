"""``batchgen models``: the provider's catalogue, with prices and what each model takes."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli import completion
from batchgen.errors import StoppedEarly
from batchgen.wording import counted, visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from batchgen.provider.catalogue_cache import CatalogueLookup
    from batchgen.provider.choose import Service
    from batchgen.provider.interface import Model


# Leaves room for prices and a few words on a terminal of 80 columns.
_WHOLE_NAME = 38


class SortKey(enum.StrEnum):
    """An order of the list."""

    NAME = "name"
    PRICE = "price"
    DATE = "date"


def models(
    words: Annotated[
        str,
        typer.Argument(
            metavar="[FILTER]",
            autocompletion=completion.models,
            help="Only models whose name, alias or kind contains this.",
        ),
    ] = "",
    *,
    provider: Annotated[
        str,
        typer.Option(
            "--provider", autocompletion=completion.one_of(completion.kinds), help="imagerouter, openai or simulator."
        ),
    ] = "imagerouter",
    base_url: Annotated[str | None, typer.Option("--base-url", help="Address of the service.")] = None,
    sort: Annotated[SortKey, typer.Option("--sort", help="By name, price (cheapest first) or date (newest first).")] = (
        SortKey.NAME
    ),
    json: Annotated[bool, typer.Option("--json", help="Write JSON lines to stdout.")] = False,
) -> None:
    """List the models on offer, with the price of a picture in USD; needs no key."""
    import anyio

    from batchgen.provider.choose import Service

    look_up = anyio.run(_look_up, Service(checked_kind(provider), Path.cwd(), base_url))
    catalogue = look_up.catalogue
    assert catalogue is not None
    found = _sorted((model for model in catalogue.models.values() if _holds(model, words.lower())), sort)
    if json:
        _print_json(found)
    else:
        _print_table(found)
    for notice in look_up.notices:
        sys.stderr.write(f"batchgen: {notice}\n")
    if not found:
        _say_what_was_meant(words, catalogue.names)


def checked_kind(provider: str) -> str:
    """Return the name of a provider. Raises :class:`UsageError` with the nearest one for an unknown name."""
    from batchgen.errors import UsageError, nearest
    from batchgen.plugins import kinds

    known = kinds()
    if provider not in known:
        raise UsageError(f"--provider {provider!r}: {nearest(provider, known) or 'one of ' + ', '.join(known)}")
    return provider


async def _look_up(service: Service) -> CatalogueLookup:
    from batchgen.provider.catalogue_cache import look_up
    from batchgen.provider.choose import choose_provider

    async with choose_provider(service, concurrency=1, need_key=False) as provider:
        found = await look_up(provider)
        address = provider.base_url
    if found.catalogue is None:
        raise StoppedEarly(f"{address} returns no catalogue; check the address and the network")
    return found


def _holds(model: Model, words: str) -> bool:
    return any(words in name.lower() for name in (model.id, *model.aliases)) or words == model.kind


def _sorted(found: Iterable[Model], order: SortKey) -> list[Model]:
    by_name = sorted(found, key=lambda model: model.id.lower())
    match order:
        case SortKey.NAME:
            return by_name
        case SortKey.PRICE:
            # Models without a price come last: they may cost anything.
            return sorted(by_name, key=lambda model: model.price.expected_microusd if model.price else sys.maxsize)
        case SortKey.DATE:
            return sorted(by_name, key=lambda model: model.released, reverse=True)


def _print_json(found: Sequence[Model]) -> None:
    from batchgen.encoding import json_text

    for model in found:
        sys.stdout.write(f"{json_text(model)}\n")


def _print_table(found: Sequence[Model]) -> None:
    from rich.console import Console

    from batchgen.terminal_table import NameCell, table

    if found:
        made = table(("model", "left"), ("USD each", "right"), ("at most", "right"), ("takes", "left"))
        # People copy names: what the models take is broken first.
        made.columns[0].width = min(max(len(model.id) for model in found), _WHOLE_NAME)
        for model in found:
            made.add_row(NameCell(model.id), *_prices(model), _takes(model))
            for alias in model.aliases:
                made.add_row(NameCell(f"= {alias}", "dim"))
        Console().print(made)
    sys.stderr.write(f"{counted(len(found), 'model')}\n")


def _prices(model: Model) -> tuple[str, str]:
    from batchgen.money import usd

    if model.price is None:
        return "?", "?"
    expected, high = usd(model.price.expected_microusd), usd(model.price.high_microusd)
    return f"{expected:g}", "" if expected == high else f"{high:g}"


def _takes(model: Model) -> str:
    if not (model.price or model.sizes or model.seconds or model.released or model.aliases) and all(_flags(model)):
        # A service with OpenAI's endpoints lists bare names, which say nothing of what the models take.
        return "not stated"
    parts = [name for name, taken in zip(("quality", "image", "mask"), _flags(model), strict=True) if taken]
    parts.append(_sizes(model))
    if model.kind != "image":
        parts.insert(0, f"{model.kind}:")
    if model.seconds:
        parts.append(f"{_span(model.seconds)} s")
    return _plain(", ".join(parts).replace(":,", ":"))


def _flags(model: Model) -> tuple[bool, bool, bool]:
    return model.takes_quality, model.takes_image, model.takes_mask


def _sizes(model: Model) -> str:
    if not model.sizes:
        return "any size"
    return model.sizes[0] if len(model.sizes) == 1 else counted(len(model.sizes), "size")


def _span(seconds: Sequence[str]) -> str:
    return seconds[0] if len(seconds) == 1 else f"{seconds[0]} to {seconds[-1]}"


def _say_what_was_meant(words: str, names: Sequence[str]) -> None:
    from batchgen.planning.catalogue_check import near_names

    near = near_names(words, names)
    hint = f"; near it: {', '.join(near)}" if near else ""
    sys.stderr.write(f"batchgen: no model's name contains {words!r}{hint}\n")


def _plain(text: str) -> str:
    from rich.markup import escape

    return escape(visible(text))
