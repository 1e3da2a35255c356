"""What an unexpected error shows: its traceback, the versions it came up with, and where to report it; no secret."""

from __future__ import annotations

import os
import platform
import re
import traceback
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version

from batchgen.provider.credentials import MASK, Secret, found_keys, redact
from batchgen.version import __version__

ISSUES = "https://github.com/batchgen/batchgen/issues"

_LIBRARIES = ("aiohttp", "anyio", "httpx", "msgspec", "pillow", "pydantic", "typer", "uvloop")
# Variables that programs take secrets from, whichever of them this one reads; a webhook's address is one.
_SECRET_NAME = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|WEBHOOK", re.IGNORECASE)
_AUTHORIZATION = re.compile(r"(?i)\b(bearer|basic) [^\s'\",]+")


def crash_report(error: BaseException) -> str:
    """Return the traceback of ``error`` and what a report of it needs, without keys, tokens and passwords."""
    text = "".join(traceback.format_exception(error))
    return redact(_AUTHORIZATION.sub(rf"\1 {MASK}", f"{text}\n{_versions()}\nreport it at {ISSUES}"), _secrets())


def _versions() -> str:
    libraries = ", ".join(f"{name} {_version(name)}" for name in _LIBRARIES)
    return f"batchgen {__version__}, Python {platform.python_version()}, {platform.platform()}\n{libraries}"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _secrets() -> Iterator[Secret]:
    yield from found_keys()
    yield from (Secret(value) for name, value in os.environ.items() if _SECRET_NAME.search(name))
