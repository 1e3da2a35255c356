"""Which async library is running, asked of the standard library alone."""

import asyncio


def on_asyncio() -> bool:
    """Return whether the running async library is asyncio."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
