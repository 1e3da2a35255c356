"""Tells somebody how a run ended: a command of the user's, a webhook. What goes wrong there is said, and no more.

Neither is tried a second time, and neither keeps the end of a run waiting for long.
"""

from __future__ import annotations

import ipaddress
import os
import shlex
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from batchgen.errors import BatchgenError, UsageError

COMMAND_S = 60.0
WEBHOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class RunNotice:
    """How a run ended: its exit code and reason, and its folder, where it came so far that there is one."""

    exit_code: int
    reason: str | None
    folder: Path | None

    @property
    def environment(self) -> dict[str, str]:
        """What a command finds in its environment."""
        told = {"BATCHGEN_EXIT_CODE": str(int(self.exit_code))}
        if self.folder is not None:
            told["BATCHGEN_FOLDER"] = str(self.folder.resolve())
            told["BATCHGEN_SUMMARY"] = str(self.folder.resolve() / "summary.json")
        return told

    def to_json(self) -> bytes:
        """All of the folder's summary.json, where there is one, with the three fields of this ending above it."""
        folder = None if self.folder is None else str(self.folder.resolve())
        told = {"exit_code": int(self.exit_code), "reason": self.reason, "folder": folder}
        return msgspec.json.encode(self._summary() | told)

    def _summary(self) -> dict[str, Any]:
        if self.folder is None:
            return {}
        try:
            found = msgspec.json.decode((self.folder / "summary.json").read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return found if isinstance(found, dict) else {}


class Teller:
    """Tells how a run ended, once; it is given the ``folder`` as soon as that is known."""

    def __init__(self, command: list[str] | None, webhook: str | None) -> None:
        self._command = command
        self._webhook = webhook
        self.folder: Path | None = None

    def ended(self, exit_code: int, reason: str | None) -> None:
        """Runs the command and posts to the webhook, where they are given; says on standard error what went wrong."""
        ending = RunNotice(exit_code, reason, self.folder)
        if self._command is not None:
            _complain(_run(self._command, ending))
        if self._webhook is not None:
            _complain(_post(self._webhook, ending))


def check_command(command: str) -> list[str]:
    """The words of a command, which no shell will see. Raises :class:`UsageError`."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--on-finish {command!r}: {error}") from error
    if not words:
        raise UsageError("--on-finish is empty; it is a command such as 'notify-send batchgen'")
    return words


def check_webhook(url: str) -> str:
    """``url``, if it may be posted to. Raises :class:`UsageError`, without repeating what may be secret in it."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urllib.parse.urlsplit(""), ""
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        return url
    raise UsageError("--webhook: it is an https address (http only on this machine, such as http://127.0.0.1:8080/)")


@contextmanager
def telling(*, command: str | None, webhook: str | None) -> Iterator[Teller]:
    """A teller for the run in the block; it is told of an error of ours that ends the block as well.

    Raises :class:`UsageError` before the block where the command or the address can't be used.
    """
    teller = Teller(
        check_command(command) if command is not None else None,
        check_webhook(webhook) if webhook else None,
    )
    try:
        yield teller
    except BatchgenError as error:
        teller.ended(error.exit_code, str(error))
        raise


def _run(command: list[str], ending: RunNotice) -> str | None:
    environment = {**os.environ, **ending.environment}
    try:
        # Its output goes to the people, and never into what a program reads of ours.
        done = subprocess.run(  # noqa: S603 - the user's own command
            command, input=ending.to_json(), env=environment, stdout=2, timeout=COMMAND_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"--on-finish: {command[0]} was stopped after {COMMAND_S:g} s"
    except OSError as error:
        return f"--on-finish: {command[0]} can't be run: {error.strerror}"
    return f"--on-finish: {command[0]} ended with exit code {done.returncode}" if done.returncode else None


def _post(url: str, ending: RunNotice) -> str | None:
    import anyio

    return anyio.run(_posted, url, ending.to_json())


async def _posted(url: str, body: bytes) -> str | None:
    import anyio
    import httpx

    from batchgen.provider.http.interface import EngineOptions, open_engine

    # The path of a webhook is often its password.
    place = f"the webhook at {urllib.parse.urlsplit(url).hostname}"
    headers = {"content-type": "application/json", "user-agent": "batchgen"}
    try:
        with anyio.fail_after(WEBHOOK_S):
            async with open_engine(EngineOptions(max_connections=1, read_timeout_s=WEBHOOK_S)) as engine:
                response = await engine.handle_async_request(httpx.Request("POST", url, headers=headers, content=body))
    except (TimeoutError, httpx.ReadTimeout):
        return f"{place} did not answer within {WEBHOOK_S:g} s"
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        return f"{place} can't be reached: {type(error).__name__}"
    return None if response.is_success else f"{place} answered {response.status_code}"


def _complain(problem: str | None) -> None:
    if problem is not None:
        sys.stderr.write(f"batchgen: {problem}; the run itself ended as it says\n")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
