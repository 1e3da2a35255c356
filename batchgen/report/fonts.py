"""Which installed fonts have the characters of a text, and what to install for those that none has."""

from __future__ import annotations

import subprocess
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

# What a PDF takes; bitmap and PostScript fonts have other endings.
_ENDINGS = (".ttf", ".otf", ".ttc", ".otc")
_PATIENCE_S = 10
# macOS has no fontconfig; this one of its fonts has most scripts.
_MACOS = Path("/System/Library/Fonts/Supplemental/Arial Unicode.ttf")


class Face(NamedTuple):
    """A font by its file, and its number in a file of several."""

    path: str
    number: int = 0


def faces_for(characters: Collection[str]) -> list[Face]:
    """Return as few installed fonts as have all of ``characters`` that any has, the system's favourite first."""
    wanted = sorted({ord(character) for character in characters})
    found = []
    for face, ranges in _installed():
        had = {
            point for first, last in ranges for point in wanted[bisect_left(wanted, first) : bisect_right(wanted, last)]
        }
        if had:
            found.append(face)
            wanted = [point for point in wanted if point not in had]
    return found or [Face(str(path)) for path in (_MACOS,) if path.is_file()]


def advice(undrawn: Collection[str]) -> str:
    """Return one line on characters that no installed font has, and what to install; empty if there are none."""
    if not undrawn:
        return ""
    shown = " ".join(f"U+{ord(one):04X}" for one in sorted(undrawn)[:5]) + (" …" if len(undrawn) > 5 else "")
    count = "1 character is" if len(undrawn) == 1 else f"{len(undrawn):,} characters are"
    return (
        f"{count} in no font of this machine ({shown}): install Noto Sans and Noto Sans CJK, and Symbola for symbols"
        " (on Debian: fonts-noto-core, fonts-noto-cjk, fonts-symbola)"
    )


def _installed() -> Iterator[tuple[Face, list[tuple[int, int]]]]:
    """What fontconfig would show text with, the best first, each with the ranges of its characters."""
    command = ["fc-match", "--sort", "--format", "%{index}\t%{file}\t%{charset}\n", "sans"]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_PATIENCE_S, check=True)  # noqa: S603 - our words
    except (OSError, subprocess.SubprocessError):
        return  # fontconfig is not here
    for line in done.stdout.decode(errors="surrogateescape").splitlines():
        index, path, charset = line.split("\t")
        if path.lower().endswith(_ENDINGS):
            # The upper half of the number is a named style of a variable font.
            yield Face(path, int(index) & 0xFFFF), [_range(part) for part in charset.split()]


def _range(part: str) -> tuple[int, int]:
    first, _, last = part.partition("-")
    return int(first, 16), int(last or first, 16)
