"""Notifications of the end of a run: a command of the user's and a webhook. If one fails, a message says so, no more.

Neither is tried a second time, and neither delays the end of a run for long.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from batchgen.cli.night_line import night_line
from batchgen.errors import BatchgenError, UsageError

if TYPE_CHECKING:
    from batchgen.store.ledger.run_counts import RunCounts

COMMAND_S = 60.0
WEBHOOK_S = 10.0


@dataclass(frozen=True, slots=True)
class RunNotice:
    """How a run ended: its exit code and reason, and its folder if the run got far enough to know it.

    ``text`` says so in one dated line, under the name that chats read.
    """

    exit_code: int
    reason: str | None
    folder: Path | None
    text: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the command finds in its environment."""
        variables = {"BATCHGEN_EXIT_CODE": str(int(self.exit_code))}
        if self.folder is not None:
            variables["BATCHGEN_FOLDER"] = str(self.folder.resolve())
            variables["BATCHGEN_SUMMARY"] = str(self.folder.resolve() / "summary.json")
        return variables

    def to_json(self) -> bytes:
        """Return the folder's summary.json, if there is one, with the four fields of this notice added to it."""
        folder = None if self.folder is None else str(self.folder.resolve())
        own = {"text": self.text, "exit_code": int(self.exit_code), "reason": self.reason, "folder": folder}
        return msgspec.json.encode(own | self._summary() | own)

    def _summary(self) -> dict[str, Any]:
        if self.folder is None:
            return {}
        try:
            found = msgspec.json.decode((self.folder / "summary.json").read_bytes())
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return {}
        return found if isinstance(found, dict) else {}


class Notifier:
    """Notifies once of how a run ended; ``folder`` and the run's own ``name`` are set as soon as they are known."""

    def __init__(self, command: list[str] | None, webhook: str | None, *, name: str = "batchgen") -> None:
        self._command = command
        self._webhook = webhook
        self.folder: Path | None = None
        self.name = name

    def ended(self, exit_code: int, reason: str | None, counts: RunCounts | None = None) -> str:
        """Run the command and post to the webhook, if they are given; failures go to stderr.

        Return how the run ended in one dated line.
        """
        text = night_line(self.name, counts, exit_code=int(exit_code), reason=reason, now=datetime.now(UTC))
        notice = RunNotice(exit_code, reason, self.folder, text)
        if self._command is not None:
            _complain(_run(self._command, notice))
        if self._webhook is not None:
            _complain(_post(self._webhook, notice))
        return text


def check_command(command: str) -> list[str]:
    """Return the words of a command, which is run without a shell. Raises :class:`UsageError`."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--on-finish {command!r}: {error}") from error
    if not words:
        raise UsageError("--on-finish is empty; give a command such as 'notify-send batchgen'")
    return words


def check_webhook(url: str) -> str:
    """Return ``url`` if it may be posted to. Raises :class:`UsageError` without ``url``, which may be secret."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        parts, host = urllib.parse.urlsplit(""), ""
    if host and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host))):
        return url
    raise UsageError("--webhook must be an https address (http only on this machine, such as http://127.0.0.1:8080/)")


@contextmanager
def notifying(*, command: str | None, webhook: str | None, name: str) -> Iterator[Notifier]:
    """Yield the notifier for the run in the block, and notify of an error of ours that ends the block.

    A log gets the dated line of such a run too; a person at a terminal reads the error itself.

    Raises :class:`UsageError` before the block if the command or the address can't be used.
    """
    notifier = Notifier(
        check_command(command) if command is not None else None,
        check_webhook(webhook) if webhook else None,
        name=name,
    )
    try:
        yield notifier
    except BatchgenError as error:
        line = notifier.ended(error.exit_code, str(error))
        if not sys.stderr.isatty():
            sys.stderr.write(f"{line}\n")
        raise


def _run(command: list[str], notice: RunNotice) -> str | None:
    environment = {**os.environ, **notice.environment}
    try:
        # The output goes to stderr: stdout belongs to the program that reads ours.
        done = subprocess.run(  # noqa: S603 - the user's own command
            command, input=notice.to_json(), env=environment, stdout=2, timeout=COMMAND_S, check=False
        )
    except subprocess.TimeoutExpired:
        return f"--on-finish: {command[0]} was stopped after {COMMAND_S:g} s"
    except OSError as error:
        return f"--on-finish: {command[0]} can't be run: {error.strerror}"
    return f"--on-finish: {command[0]} ended with exit code {done.returncode}" if done.returncode else None


def _post(url: str, notice: RunNotice) -> str | None:
    import anyio

    return anyio.run(_posted, url, notice.to_json())


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
        sys.stderr.write(f"batchgen: {problem}; the run itself is not affected\n")


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
