"""``batchgen plan``: what a run would send and what it may cost; sends nothing but a look-up of the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.options import (
    Job,
    Model,
    Out,
    Prompt,
    Provider,
    Quality,
    Repeat,
    Set,
    Size,
    read_manifest,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console
    from rich.table import Table

    from batchgen.plan.forecast import Forecast, ModelForecast
    from batchgen.request import Request


def plan(
    job: Job,
    *,
    model: Model = None,
    size: Size = None,
    quality: Quality = None,
    settings: Set = None,
    prompt: Prompt = None,
    repeat: Repeat = None,
    provider: Provider = None,
    out: Out = None,
    first: Annotated[int, typer.Option("--first", min=0, help="How many requests to show.")] = 3,
) -> None:
    """Show how many requests a manifest makes, what is done, what is new, and the price; sends nothing."""
    from rich.console import Console

    from batchgen import api

    manifest = read_manifest(
        job,
        model=model,
        size=size,
        quality=quality,
        settings=settings,
        prompt=prompt,
        repeat=repeat,
        provider=provider,
    )
    _print(api.forecast(manifest, folder=out, first=first), Console(), name=manifest.name)


def _print(forecast: Forecast, console: Console, *, name: str) -> None:
    console.print(f"{name}: {forecast.requests:,} requests", style="bold", highlight=False, markup=False)
    for axis, counts in forecast.by_axis.items():
        console.print(f"  {_plain(axis)}: {_counted(counts.items())}", highlight=False, markup=False)
    console.print(f"  {_states(forecast)}", highlight=False, markup=False)
    console.print(_models(forecast))
    console.print(_money(forecast), highlight=False, markup=False)
    for request in forecast.first:
        console.print(_line(request), highlight=False, markup=False, no_wrap=True, overflow="ellipsis")


def _states(forecast: Forecast) -> str:
    parts = [f"{forecast.new:,} new"]
    parts += [f"{count:,} {state}" for state, count in forecast.by_state.items() if state is not None]
    if forecast.equal:
        parts.append(f"{forecast.equal:,} equal to another one, bought once")
    return ", ".join(parts)


def _models(forecast: Forecast) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD)
    table.add_column("model", overflow="fold", min_width=20)
    for heading in ("requests", "new", "low", "expected", "high"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("price from")
    for model, part in forecast.by_model.items():
        table.add_row(_plain(model), f"{part.requests:,}", f"{part.new:,}", *_prices(part))
    return table


def _prices(part: ModelForecast) -> tuple[str, str, str, str]:
    from batchgen.money import dollars

    if part.price is None:
        return "?", "?", "?", "nobody: see `prices:`"
    price = part.price
    low, expected, high = (
        dollars(part.new * each) for each in (price.low_microusd, price.expected_microusd, price.high_microusd)
    )
    return low, expected, high, price.source


def _money(forecast: Forecast) -> str:
    from batchgen.money import dollars

    low, expected, high = (
        dollars(amount) for amount in (forecast.low_microusd, forecast.expected_microusd, forecast.high_microusd)
    )
    unknown = f"; and what {', '.join(map(_plain, forecast.unpriced))} costs" if forecast.unpriced else ""
    return f"to pay: {expected} expected, {low} at least, {high} at most{unknown}"


def _line(request: Request) -> str:
    parameters = " ".join(f"{name}={value}" for name, value in request.parameters.items() if name != "prompt")
    prompt = request.parameters.get("prompt", "")
    return f"  {request.index:>6} {request.key[:8]} {_plain(request.model)} {_plain(prompt)!r} {_plain(parameters)}"


def _counted(counts: Iterable[tuple[str, int]]) -> str:
    return ", ".join(f"{_plain(title)} ({count:,})" for title, count in list(counts)[:12])


def _plain(text: str) -> str:
    from batchgen.store.plain import visible

    return visible(text)
