"""How an answer reaches the client, whole or spoiled by a fault."""

from collections.abc import Mapping

import anyio

from batchgen.simulator.connection import AnswerConnection
from batchgen.simulator.faults import Fault

# Long enough for the bytes before a reset to leave: a reset overtakes what still waits to be sent.
_AHEAD_OF_RESET_S = 0.02
_PROMISED_TOO_MUCH = 1_000


def keeps_silent(fault: Fault | None) -> bool:
    """Whether the fault needs that nothing was sent before it strikes, not even the headers."""
    if fault is None:
        return False
    return fault.kind in {"reset_before", "hang", "http_status", "throttle"} or (
        fault.kind == "truncate" and fault.content_length
    )


async def deliver(
    wire: AnswerConnection, status: int, headers: Mapping[str, str], body: bytes, fault: Fault | None
) -> None:
    """Sends the answer, or does with it what the fault says."""
    half = body[: len(body) // 2]
    match fault.kind if fault else None:
        case "reset_before":
            await wire.reset()
        case "hang":
            await wire.gone()
        case "drip" if fault:
            await wire.start(status, headers)
            await _drip(wire, fault.interval_s)
        case "reset_mid_body":
            await wire.start(status, headers)
            await wire.write(half)
            await anyio.sleep(_AHEAD_OF_RESET_S)
            await wire.reset()
        case "truncate" if fault and fault.content_length:
            await wire.start(status, {**headers, "content-length": str(len(body) + _PROMISED_TOO_MUCH)})
            await wire.write(body)
            await wire.cut()
        case "truncate":
            await wire.start(status, headers)
            await wire.write(half)
            await wire.cut()
        case _:
            await wire.start(status, headers)
            await wire.end(body)


async def _drip(wire: AnswerConnection, interval_s: float) -> None:
    """White space for ever, which is legal before JSON, until the client has had enough."""
    while not await wire.gone_within(interval_s):
        await wire.write(b" ")
