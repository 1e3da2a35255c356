"""Every option of the simulator, with its default; kept as JSON between processes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

import msgspec

from batchgen.simulator.faults import Fault, FaultKind


class BadSettings(ValueError):
    """Settings, or faults, that the simulator does not know; the message names what and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How the simulated service behaves. The defaults are the service's own, as far as they are known."""

    balance_usd: float = 100.0
    required_key: str = ""  # empty: "simulator" and every key of 64 characters
    heartbeat_s: float = 3.0
    latency_s: float | None = None  # the same for every request, instead of each model's own spread
    latency_scale: float = 1.0  # multiplies each model's own latency
    rate_limits: bool = True
    # The service also counts 20 requests a second per address; off here, since every client has the same address.
    requests_per_s_per_address: int = 0
    free_per_day: int = 50
    prompt_limit: int = 20_000
    catalogue_shape: Literal["object", "array"] = "object"
    seed: int = 0
    faults: tuple[Fault, ...] = ()

    def to_json(self) -> str:
        """Return all settings as JSON."""
        return msgspec.json.encode(self).decode()


def settings_from_json(text: str | bytes) -> Settings:
    """Return the settings that ``to_json`` wrote, or any part of them. Raise ``BadSettings``."""
    raw = _decoded(text)
    _refuse_unknown(raw, Settings)
    faults = raw.get("faults")
    for fault in faults if isinstance(faults, list) else ():
        _refuse_unknown(fault, Fault)
        _refuse_unknown_kind(fault)
    return _converted(raw, Settings)


def faults_from_json(text: str | bytes) -> tuple[Fault, ...]:
    """Return the faults of ``{"faults": [...]}``. Raise ``BadSettings``."""
    raw = _decoded(text)
    if set(raw) != {"faults"}:
        raise BadSettings('expected {"faults": [...]} and nothing else')
    return settings_from_json(text).faults


def _decoded(text: str | bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as error:
        raise BadSettings(str(error)) from error


def _refuse_unknown(raw: object, kind: type[Settings | Fault]) -> None:
    known = {field.name for field in dataclasses.fields(kind)}
    unknown = sorted(set(raw) - known) if isinstance(raw, dict) else []
    if unknown:
        raise BadSettings(f"unknown option {unknown[0]!r}; known are {', '.join(sorted(known))}")


def _refuse_unknown_kind(fault: object) -> None:
    known = get_args(FaultKind)
    kind = fault.get("kind") if isinstance(fault, dict) else None
    if isinstance(kind, str) and kind not in known:
        raise BadSettings(f"unknown fault {kind!r}; known are {', '.join(sorted(known))}")


def _converted(raw: dict[str, Any], kind: type[Settings]) -> Settings:
    try:
        return msgspec.convert(raw, kind)
    except msgspec.MsgspecError as error:
        raise BadSettings(str(error)) from error
