"""The files that a glob such as ``inputs/*.png`` matches, in order."""

from __future__ import annotations

import glob
import os
from pathlib import Path

from batchgen.errors import nearest
from batchgen.wording import printable, shown

# More pictures than this are rows, not the values of an axis.
MOST_FILES = 100_000


def files_of(folder: Path, pattern: str, *, allow_outside: bool = False) -> list[str]:
    """Return the regular files that ``pattern`` matches, sorted, relative to ``folder``, without hidden ones.

    Raise :class:`ValueError`, worded to follow the pattern's name, if it matches no file, or leaves the folder without
    ``allow_outside``.
    """
    if not pattern.strip() or "\0" in pattern:
        raise ValueError("must be a glob such as inputs/*.png")
    root = folder.resolve()
    searched = root.joinpath(*_fixed_parts(pattern))
    if not allow_outside and (not searched.resolve().is_relative_to(root) or ".." in pattern.split("/")):
        lies = f"must lie inside the manifest's folder {printable(str(root))}, found {shown(pattern)}"
        raise ValueError(f"{lies} (copy it there, or allow it with --allow-outside)")
    found = sorted(
        name
        for name in glob.iglob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 - relative names are wanted
        if (root / name).is_file() and (allow_outside or (root / name).resolve().is_relative_to(root))
    )
    if not found:
        raise ValueError(_nothing(root, searched, pattern))
    if len(found) > MOST_FILES:
        raise ValueError(
            f"matches {len(found):,} files; {MOST_FILES:,} at most: put them into a column 'image' of a CSV"
        )
    return [name.replace(os.sep, "/") for name in found]


def titles_of(paths: list[str]) -> list[str]:
    """Return the files' names, or their paths if two have the same name."""
    names = [path.rpartition("/")[2] for path in paths]
    return names if len(set(names)) == len(names) else paths


def _nothing(root: Path, searched: Path, pattern: str) -> str:
    """Return why no file matches: which folder was looked into, and what lies there."""
    if not searched.is_dir():
        there = _names(searched.parent) if searched.parent.is_dir() else []
        hint = nearest(searched.name, there)
        return f"matches no file: there is no folder {printable(str(searched))}{'; ' if hint else ''}{hint}"
    if (root / pattern).is_dir():
        return f"must be a glob, and {shown(pattern)} is a folder; write {shown(pattern.rstrip('/') + '/*')}"
    files = [name for name in _names(searched) if (searched / name).is_file()]
    listed = f"; there are {', '.join(map(shown, files[:3]))}" + (" …" if len(files) > 3 else "") if files else ""
    return f"matches no file in {printable(str(searched))}{listed or ', which holds none'}"


def _fixed_parts(pattern: str) -> list[str]:
    """Return the folders before the first glob character."""
    folders = [part or "/" for part in pattern.split("/")[:-1]]
    wild = next((position for position, part in enumerate(folders) if glob.has_magic(part)), len(folders))
    return folders[:wild]


def _names(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))  # noqa: PTH208 - names only
    except OSError:
        return []
