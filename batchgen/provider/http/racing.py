"""Connecting to the first of several addresses that answers, as RFC 8305 ("happy eyeballs") has it.

The first address of a name may be dead in a way that refuses nothing, such as IPv6 behind a router that drops it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

# RFC 8305, section 5: the recommended delay before the next attempt.
NEXT_ATTEMPT_S = 0.25

C = TypeVar("C")


async def first_connected(
    addresses: Sequence[str],
    connect: Callable[[str], Awaitable[C]],
    close: Callable[[C], Awaitable[object]],
) -> tuple[str, C]:
    """Return the address that was connected to first, and its connection; every other one is closed.

    The next address is tried when the one before has failed, or has been silent for 250 ms. Nothing is sent over any
    of them here. Raise the last failure if all failed.
    """
    if len(addresses) == 1:
        return addresses[0], await connect(addresses[0])
    connected: list[tuple[str, C]] = []
    failures: list[Exception] = []

    async def attempt(address: str, failed: anyio.Event) -> None:
        try:
            made = await connect(address)
        except Exception as error:  # noqa: BLE001 -- whatever it is, the next address is tried, and the last one raised
            failures.append(error)
            failed.set()
            return
        connected.append((address, made))
        attempts.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as attempts:
            for address in interleaved(addresses):
                failed = anyio.Event()
                attempts.start_soon(attempt, address, failed)
                with anyio.move_on_after(NEXT_ATTEMPT_S):
                    await failed.wait()
    except BaseException:
        await _close_all(connected, close)
        raise
    await _close_all(connected[1:], close)
    if not connected:
        raise failures[-1]
    return connected[0]


def interleaved(addresses: Sequence[str]) -> list[str]:
    """Return the addresses in their order, but with the two families taking turns: one may be dead as a whole."""
    first_is_v6 = ":" in addresses[0]
    first = [one for one in addresses if (":" in one) is first_is_v6]
    other = [one for one in addresses if (":" in one) is not first_is_v6]
    pairs = [one for pair in zip(first, other, strict=False) for one in pair]
    return pairs + first[len(other) :] + other[len(first) :]


async def _close_all(connected: Sequence[tuple[str, C]], close: Callable[[C], Awaitable[object]]) -> None:
    with anyio.CancelScope(shield=True):
        for _, connection in connected:
            await close(connection)
