"""Which async library is running, asked of the standard library alone."""

import asyncio


def on_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
