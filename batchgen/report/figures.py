"""Numbers as people read them, the same in every report: amounts, times, shares; and the ways out of doubt."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from batchgen.errors import ExitCode
from batchgen.money import MICROUSD, dollars
from batchgen.store.ledger.transitions import STATED, TOKENS

NONE = "\u2013"

SIMULATED = "simulated: no real money was spent"

_ENDINGS = {
    ExitCode.OK: "all stored",
    ExitCode.FAILURES: "finished, some refused or spoiled",
    ExitCode.USAGE: "bad usage or manifest",
    ExitCode.STOPPED: "stopped early",
    ExitCode.DOUBT: "some in doubt",
    ExitCode.IN_USE: "the folder was in use",
    ExitCode.DAMAGED: "ledger damaged",
    ExitCode.BUG: "a bug in batchgen",
    ExitCode.INTERRUPTED: "interrupted",
    ExitCode.TERMINATED: "terminated",
}


def amount(amount_microusd: int | None) -> str:
    """Return an exact amount, or a dash if there is none."""
    return NONE if amount_microusd is None else dollars(amount_microusd)


def near(amount_microusd: int | None) -> str:
    """Return an amount for the eye: to the cent from a dollar on, below to three figures; or a dash."""
    if not amount_microusd:
        return amount(amount_microusd)
    unit = 10_000 if amount_microusd >= MICROUSD else 10 ** max(0, len(str(amount_microusd)) - 3)
    return dollars((amount_microusd + unit // 2) // unit * unit)


def each(billed_microusd: int | None, estimated_microusd: int | None) -> str:
    """Return what one picture costs: as billed, else as estimated, which is marked."""
    if billed_microusd is None and estimated_microusd is not None:
        return f"\u2248 {dollars(estimated_microusd)}"
    return amount(billed_microusd)


def sources(counted: Mapping[str, int]) -> str:
    """Return where costs or times come from, the most frequent first, or a dash if nobody knows."""
    return ", ".join(counted) or NONE


def tokens(into: int, out: int, counted: Mapping[str, int]) -> str:
    """Return the tokens that answers stated, and what is missing if they could not be priced by them."""
    said = f"{into:,} in, {out:,} out"
    priced = counted.keys() & {TOKENS, *STATED}
    return said if priced else f"{said}; `per_million_tokens` under `prices:` would price answers by these"


_CLOCKS = {"service": "as the service states it", "request": "the time of the request itself"}


def clocks(counted: Mapping[str, int]) -> str:
    """Return in words whose times latencies are, the most frequent first."""
    return ", or ".join(_CLOCKS.get(name, name) for name in counted)


def short_amount(amount_microusd: int) -> str:
    """Return the amount for the axis of a chart, such as ``$1,200`` or ``$0.004``."""
    text = f"{amount_microusd / MICROUSD:,.6f}".rstrip("0").rstrip(".")
    return f"${text}"


def share(rate: float | None) -> str:
    """Return a share in percent; 0 % and 100 % only if they are exact."""
    if rate is None:
        return NONE
    percent = 100 * rate
    return f"{percent:.0f} %" if rate in {0, 1} else f"{min(max(percent, 0.1), 99.9):.1f} %"


def span(milliseconds: int | None) -> str:
    """Return ``0.34 s``, ``12.3 s``, ``4 min 05 s``, ``3 h 20 min``, ``2 d 4 h``."""
    if milliseconds is None:
        return NONE
    seconds = milliseconds / 1000
    if seconds < 9.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    if whole < 86_400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
    return f"{whole // 86_400} d {whole % 86_400 // 3600} h"


def moment(milliseconds: int | None) -> str:
    """Return ``2026-03-01 12:00``, in UTC."""
    if milliseconds is None:
        return NONE
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M")


def rate(pictures_per_minute: float | None) -> str:
    """Return pictures per minute, below 100 with one decimal."""
    if pictures_per_minute is None:
        return NONE
    return f"{pictures_per_minute:,.1f}" if pictures_per_minute < 100 else f"{pictures_per_minute:,.0f}"


def ending(exit_code: int | None, *, ended: bool) -> str:
    """Return how a run ended, in words."""
    if exit_code is None:
        return "ended" if ended else "still running, or killed"
    try:
        return _ENDINGS[ExitCode(exit_code)]
    except ValueError:
        return f"exit code {exit_code}"


def attach(folder: Path, key: str) -> str:
    """Return the command that attaches a picture to the request ``key``."""
    return f"batchgen adopt {shlex.quote(str(folder))} {key} FILE|URL"


def rebuild(folder: Path) -> str:
    """Return the command that looks at pictures that were not looked at yet, and writes the report again."""
    return f"batchgen report {shlex.quote(str(folder))}"


def compare(folder: Path) -> str:
    """Return the command that writes the page with all pictures side by side."""
    return f"batchgen compare {shlex.quote(str(folder))}"


def ways_out(folder: Path, manifest: str, shard: str = "") -> tuple[tuple[str, str], ...]:
    """Return the three ways out of doubt: what each means, and its command, empty if it has none."""
    job, place = shlex.quote(manifest) if manifest else "JOB", shlex.quote(str(folder))
    # In any other folder the same command would buy the whole manifest.
    part = f" --shard {shlex.quote(shard)}" if shard else ""
    again = f"batchgen run {job}{part} --out {place} --retry doubt"
    return (
        ("Check in the service's own log whether the picture was made and billed.", ""),
        ("If it was: attach the picture.", f"batchgen adopt {place} KEY FILE|URL"),
        ("If not, or if you accept paying twice: send it again, with the options of that run.", again),
    )
