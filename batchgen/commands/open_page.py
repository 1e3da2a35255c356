"""Opens a page of a run folder with the program that this system opens pages with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from batchgen.commands.job import run_folder_at
from batchgen.errors import UsageError, cant_write, nearest

PAGES = ("report", "compare")
# A desktop shows windows; without one an opener would start a browser in the terminal, or fail without a word.
_DISPLAYS = ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME")
# It hands the page on and ends; one that does not has opened the page itself.
_OPENER_S = 3.0


@dataclass(frozen=True, slots=True)
class OpenedPage:
    """The page, and what is wrong if it could not be opened."""

    page: Path
    problem: str | None = None


def open_page(folder: str | Path, name: str = "report") -> OpenedPage:
    """Open the report or the compare page of ``folder``, written before if it is not there.

    Raise :class:`UsageError` if there is no such page or run folder, and :class:`LedgerDamaged`.
    """
    if name not in PAGES:
        raise UsageError(f"{name!r}: there is no such page; {nearest(name, PAGES) or 'it is report or compare'}")
    place = run_folder_at(folder)
    page = place.root / f"{name}.html"
    if not page.is_file() or (name == "compare" and not (place.root / "compare").is_dir()):
        try:
            if name == "report":
                from batchgen.commands.report import write_derived

                write_derived(place)
            else:
                from batchgen.compare.writing import write_page

                write_page(place)
        except OSError as error:
            raise cant_write(f"{page}: it can't be written", error) from error
    return OpenedPage(page, _opened(page))


def opener(environment: Mapping[str, str], platform: str) -> str | None:
    """Return the program that opens pages on this system; ``None`` if there is none, or no desktop."""
    if platform == "darwin":
        return shutil.which("open")
    if not any(environment.get(name) for name in _DISPLAYS):
        return None
    found = (shutil.which(name) for name in ("wslview", "xdg-open", "gio"))
    return next((program for program in found if program), None)


def _opened(page: Path) -> str | None:
    """Open ``page``; return why that was not possible."""
    program = opener(os.environ, sys.platform)
    if program is None:
        return "there is no desktop here, or no program that opens pages"
    words = [program, *(["open"] if Path(program).name == "gio" else []), page.absolute().as_uri()]
    try:
        process = subprocess.Popen(  # noqa: S603 - a program of the system, and a page of ours
            words,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        code = process.wait(_OPENER_S)
    except subprocess.TimeoutExpired:
        return None
    except OSError as error:
        return f"{program}: {error.strerror}"
    return f"{program} ended with {code}" if code else None
