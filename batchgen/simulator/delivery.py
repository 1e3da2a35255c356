"""How an answer reaches the client, whole or spoiled by a fault."""

from collections.abc import Mapping

import anyio

from batchgen.simulator.connection import AnswerConnection
from batchgen.simulator.faults import Fault

# Long enough for the bytes before a reset to leave: a reset overtakes what still waits to be sent.
_AHEAD_OF_RESET_S = 0.02
_PROMISED_TOO_MUCH = 1_000


def keeps_silent(fault: Fault | None) -> bool:
    """Return whether nothing may be sent before the fault strikes, not even the headers."""
    if fault is None:
        return False
    return fault.kind in {"reset_before", "hang", "http_status", "throttle"} or (
        fault.kind == "truncate" and fault.content_length
    )


async def deliver(
    connection: AnswerConnection, status: int, headers: Mapping[str, str], body: bytes, fault: Fault | None
) -> None:
    """Send the answer, or what the fault makes of it."""
    half = body[: len(body) // 2]
    match fault.kind if fault else None:
        case "reset_before":
            await connection.reset()
        case "hang":
            await connection.gone()
        case "drip" if fault:
            await connection.start(status, headers)
            await _drip(connection, fault.interval_s)
        case "reset_mid_body":
            await connection.start(status, headers)
            await connection.write(half)
            await anyio.sleep(_AHEAD_OF_RESET_S)
            await connection.reset()
        case "truncate" if fault and fault.content_length:
            await connection.start(status, {**headers, "content-length": str(len(body) + _PROMISED_TOO_MUCH)})
            await connection.write(body)
            await connection.cut()
        case "truncate":
            await connection.start(status, headers)
            await connection.write(half)
            await connection.cut()
        case _:
            await connection.start(status, headers)
            await connection.end(body)


async def _drip(connection: AnswerConnection, interval_s: float) -> None:
    """Send white space, which is legal before JSON, until the client closes the connection."""
    while not await connection.gone_within(interval_s):
        await connection.write(b" ")
