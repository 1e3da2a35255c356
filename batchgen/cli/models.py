"""``batchgen models``: the provider's catalogue, with prices and what each model takes."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.errors import StoppedEarly

if TYPE_CHECKING:
    from batchgen.provider.choose import Service
    from batchgen.provider.interface import Catalogue, Model


def models(
    words: Annotated[str, typer.Argument(metavar="[FILTER]", help="Only models whose name holds this.")] = "",
    *,
    provider: Annotated[str, typer.Option("--provider", help="imagerouter, openai or simulator.")] = "imagerouter",
    base_url: Annotated[str | None, typer.Option("--base-url", help="Address of the service.")] = None,
    json: Annotated[bool, typer.Option("--json", help="As JSON lines.")] = False,
) -> None:
    """List the models on offer, with the price of a picture in USD; needs no key."""
    import anyio

    from batchgen.provider.choose import Service

    catalogue = anyio.run(_catalogue, Service(checked_kind(provider), Path.cwd(), base_url))
    found = [model for name, model in sorted(catalogue.models.items()) if words.lower() in name.lower()]
    if json:
        _print_json(found)
    else:
        _print_table(found)


def checked_kind(provider: str) -> str:
    """The name of a provider. Raises :class:`UsageError` with the nearest one."""
    from batchgen.errors import UsageError, nearest

    kinds = ("imagerouter", "openai", "simulator")
    if provider not in kinds:
        raise UsageError(f"--provider {provider!r}: {nearest(provider, kinds) or f'one of {kinds}'}")
    return provider


async def _catalogue(service: Service) -> Catalogue:
    from batchgen.provider.choose import choose_provider

    async with choose_provider(service, concurrency=1, need_key=False) as provider:
        catalogue = await provider.catalogue()
    if catalogue is None:
        raise StoppedEarly(f"{provider.base_url} gives no catalogue; is the address right, and the network there?")
    return catalogue


def _print_json(found: list[Model]) -> None:
    import msgspec

    for model in found:
        sys.stdout.write(f"{msgspec.json.encode(model).decode()}\n")


def _print_table(found: list[Model]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    table.add_column("model", no_wrap=True, overflow="fold")
    table.add_column("kind")
    table.add_column("USD a picture", justify="right", no_wrap=True)
    table.add_column("takes", min_width=12)
    for model in found:
        table.add_row(_plain(model.id), model.kind, _price(model), _takes(model))
    Console().print(table)
    sys.stderr.write(f"{len(found)} models\n")


def _price(model: Model) -> str:
    from batchgen.money import usd

    if model.price is None:
        return "not stated"
    low, high = usd(model.price.low_microusd), usd(model.price.high_microusd)
    return f"{low:g}" if low == high else f"{low:g} to {high:g}"


def _takes(model: Model) -> str:
    takes = {"quality": model.takes_quality, "image": model.takes_image, "mask": model.takes_mask}
    sizes = f"{len(model.sizes)} sizes" if model.sizes else "any size"
    return ", ".join([sizes, *(name for name, taken in takes.items() if taken)])


def _plain(text: str) -> str:
    from rich.markup import escape

    from batchgen.store.plain import visible

    return escape(visible(text))
