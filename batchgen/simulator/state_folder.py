"""The state folder: one server at a time, and the ports that its pictures' URLs name."""

from __future__ import annotations

import contextlib
import fcntl
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

# A server whose parent was killed needs a moment to notice and to close its files.
_PATIENCE_S = 5.0


class FolderTaken(RuntimeError):
    """Another simulator works on the state folder."""


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of a server's two listeners; 0 for unknown."""

    api: int = 0
    pictures: int = 0


@contextlib.contextmanager
def held(state: Path | None) -> Iterator[None]:
    """Lock the folder, which is made if missing. Raise ``FolderTaken`` if another server holds it."""
    if state is None:
        yield
        return
    state.mkdir(parents=True, exist_ok=True)
    with (state / "lock").open("a") as lock:
        _wait_for(lock.fileno(), state)
        yield


def _wait_for(fileno: int, state: Path) -> None:
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(fileno, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise FolderTaken(f"another simulator works on {state}") from None
            time.sleep(0.02)
        else:
            return


def last_ports(state: Path | None) -> Ports:
    """Return the ports of the last server on this folder; 0 if none is known."""
    try:
        return msgspec.json.decode((state / "ports.json").read_bytes(), type=Ports) if state else Ports()
    except (OSError, msgspec.MsgspecError):
        return Ports()


def remember_ports(state: Path | None, ports: Ports) -> None:
    """Write the ports into the state folder, if there is one."""
    if state is not None:
        (state / "ports.json").write_bytes(msgspec.json.encode(asdict(ports)))
