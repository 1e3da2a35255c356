"""``batchgen watch``: what a run shows at its terminal, at another one."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from batchgen.cli.shared_options import Folder

if TYPE_CHECKING:
    from batchgen.cli.progress import Screen
    from batchgen.commands.status import FolderStatus

# A run writes its state once a second: silence for longer is told.
_SILENT_S = 10.0


def watch(
    folder: Folder,
    *,
    once: Annotated[bool, typer.Option("--once", help="Write one line and end.")] = False,
    every: Annotated[float, typer.Option("--every", metavar="S", min=0.2, help="Seconds between two looks.")] = 1.0,
) -> None:
    """Watch a run that goes on, from another terminal or machine, until it ends; changes nothing."""
    from batchgen.cli.progress import Screen, can_draw

    watched = _Watched(Screen() if can_draw() and not once else None)
    while (found := watched.look(folder)).holder is not None and not once:
        time.sleep(every)
    watched.end(found)


class _Watched:
    """What was seen of a run so far: drawn in place on a ``screen``, or else a line a minute."""

    def __init__(self, screen: Screen | None) -> None:
        self._screen = screen
        self._written_s: float | None = None
        self._seen_at = time.monotonic()
        self._said_at: float | None = None
        self._told: int | None = None

    def look(self, folder: Path) -> FolderStatus:
        from batchgen.commands.status import folder_status

        found = folder_status(folder)
        if found.holder is None:
            return found
        self._tell_control(found)
        if self._screen is not None:
            self._draw(found, self._screen)
        else:
            self._write(found)
        return found

    def end(self, found: FolderStatus) -> None:
        """Write how the run ended, or that there is none."""
        if self._screen is not None:
            self._screen.close()
        if found.holder is not None:
            return
        from batchgen.cli.status import ended
        from batchgen.wording import visible

        sys.stdout.write(f"{found.folder}: not running\n")
        if said := ended(found):
            sys.stdout.write(f"{visible(said)}\n")

    def _draw(self, found: FolderStatus, screen: Screen) -> None:
        from batchgen.cli.progress import step_text
        from batchgen.cli.progress_text import lines

        width, rows = screen.size()
        step = self._silence(found) or self._stopping(found)
        if not step and found.live is not None and found.live.step is not None:
            step = step_text(found.live.step)
        screen.draw(lines(found.progress, width=width, rows=rows, step=step))

    def _write(self, found: FolderStatus) -> None:
        from batchgen.cli.progress import WRITTEN_EVERY_S
        from batchgen.cli.progress_text import summary

        now = time.monotonic()
        if self._said_at is None or now - self._said_at >= WRITTEN_EVERY_S:
            self._said_at = now
            sys.stdout.write(f"{summary(found.progress)}\n")
            sys.stdout.flush()

    def _tell_control(self, found: FolderStatus) -> None:
        from batchgen.wording import visible

        # What was said before this began is no news.
        told = len(found.control) if self._told is None else self._told
        for one in found.control[told:]:
            line = visible(f"{one.user}: {one.instruction}: {one.outcome}")
            if self._screen is not None:
                self._screen.write(line)
            else:
                sys.stdout.write(f"{line}\n")
        self._told = len(found.control)

    def _silence(self, found: FolderStatus) -> str:
        """Return that the run has said nothing new for a while, by this machine's own clock."""
        from batchgen.cli.progress_text import span

        written_s = found.live.written_s if found.live else 0.0
        now = time.monotonic()
        if written_s != self._written_s:
            self._written_s, self._seen_at = written_s, now
        silent_s = now - self._seen_at
        if silent_s < _SILENT_S:
            return ""
        return f"the run has said nothing for {span(silent_s)}; what is shown is older than that"

    @staticmethod
    def _stopping(found: FolderStatus) -> str:
        if found.live is None or found.live.stopping is None or found.live.step is not None:
            return ""
        return f"stopping: {found.live.stopping}"
