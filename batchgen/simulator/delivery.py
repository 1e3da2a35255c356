"""How an answer reaches the client, whole or spoiled by a fault."""

from collections.abc import Mapping

import anyio

from batchgen.simulator.connection import AnswerConnection
from batchgen.simulator.faults import Fault

# Long enough for the bytes before a reset to leave: a reset overtakes what still waits to be sent.
_AHEAD_OF_RESET_S = 0.02
_PROMISED_TOO_MUCH = 1_000

_SILENT_KINDS = {"reset_before", "hang", "http_status", "throttle", "odd_answer", "error_answer", "repeat_answer"}


def keeps_silent(fault: Fault | None) -> bool:
    """Return whether nothing may be sent before the fault strikes, not even the headers."""
    if fault is None:
        return False
    return fault.kind in _SILENT_KINDS or (fault.kind == "truncate" and fault.content_length)


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
            await _promise_too_much(connection, status, headers, body)
        case "truncate":
            await connection.start(status, headers)
            await connection.write(half)
            await connection.cut()
        case "odd_answer" if fault and fault.transfer:
            await _transfer(connection, status, headers, body, fault.transfer)
        case _:
            await connection.start(status, headers)
            await connection.end(body)


async def _transfer(
    connection: AnswerConnection, status: int, headers: Mapping[str, str], body: bytes, transfer: str
) -> None:
    """Send the whole body with a length that is wrong, or chunks of an unusual kind."""
    match transfer:
        case "no_last_chunk":
            await connection.start(status, headers)
            await connection.write(body)
            await connection.cut()
        case "length_too_long":
            await _promise_too_much(connection, status, headers, body)
        case "length_too_short":
            await connection.start(status, {**headers, "content-length": str(len(body))})
            await connection.end(body)
            connection.spill(b"\n" * _PROMISED_TOO_MUCH)
        case _:
            connection.spill(_with_trailers(status, headers, body))
            await connection.cut()


async def _promise_too_much(connection: AnswerConnection, status: int, headers: Mapping[str, str], body: bytes) -> None:
    await connection.start(status, {**headers, "content-length": str(len(body) + _PROMISED_TOO_MUCH)})
    await connection.write(body)
    await connection.cut()


def _with_trailers(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    """Return a whole answer in chunks with extensions, and a field after the last one."""
    stated = {**headers, "Transfer-Encoding": "chunked", "Trailer": "x-checksum", "Connection": "close"}
    head = "".join(f"{name}: {value}\r\n" for name, value in stated.items())
    half = len(body) // 2
    chunks = b"".join(b"%x;part=1\r\n%s\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part)
    return f"HTTP/1.1 {status} OK\r\n{head}\r\n".encode("latin-1") + chunks + b"0\r\nx-checksum: 1\r\n\r\n"


async def _drip(connection: AnswerConnection, interval_s: float) -> None:
    """Send white space, which is legal before JSON, until the client closes the connection."""
    while not await connection.gone_within(interval_s):
        await connection.write(b" ")
