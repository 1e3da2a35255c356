"""The files that a glob such as ``inputs/*.png`` matches, in order."""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from batchgen.errors import nearest
from batchgen.manifest.natural_order import natural_key
from batchgen.wording import counted, printable, shown

# More pictures than this are rows, not the values of an axis.
MOST_FILES = 100_000

# What a folder of input pictures holds, also in formats that no service takes.
_PICTURES = frozenset(
    "png jpg jpeg jpe jfif webp gif bmp tif tiff heic heif avif jxl svg psd raw dng cr2 nef arw".split()  # noqa: SIM905
)


def files_of(folder: Path, pattern: str, *, allow_outside: bool = False) -> list[str]:
    """Return the regular files that ``pattern`` matches in natural order, relative to ``folder``, without hidden ones.

    The case of a suffix does not count: ``*.png`` matches ``A.PNG`` as well.

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
    matched = glob.iglob(_any_case(pattern), root_dir=root, recursive=True)  # noqa: PTH207 - relative names are wanted
    found = [
        name.replace(os.sep, "/")
        for name in matched
        if (root / name).is_file() and (allow_outside or (root / name).resolve().is_relative_to(root))
    ]
    if not found:
        raise ValueError(_nothing(root, searched, pattern))
    if len(found) > MOST_FILES:
        raise ValueError(
            f"matches {len(found):,} files; {MOST_FILES:,} at most: put them into a column 'image' of a CSV"
        )
    return sorted(found, key=natural_key)


def left_out(folder: Path, pattern: str, taken: Sequence[str]) -> str | None:
    """Return which pictures lie beside those that ``pattern`` has ``taken`` and are not among them; ``None`` if none.

    Links that lead nowhere, or out of the manifest's folder, are among them too.
    """
    known = set(taken)
    folders = dict.fromkeys(path.rpartition("/")[0] for path in taken)
    beside = [
        path
        for name in folders
        for other in _names(folder / name)
        if _is_picture(other) and (path := f"{name}/{other}" if name else other) not in known
        if not (folder / path).is_dir()
    ]
    if not beside:
        return None
    named = ", ".join(printable(path) for path in sorted(beside, key=natural_key)[:_NAMED])
    more = ", …" if len(beside) > _NAMED else ""
    took = counted(len(taken), "file")
    return f"{shown(pattern)} takes {took}, and leaves out {counted(len(beside), 'picture')} beside: {named}{more}"


_NAMED = 3


def _is_picture(name: str) -> bool:
    return name.rpartition(".")[2].lower() in _PICTURES


def _any_case(pattern: str) -> str:
    """Return ``pattern`` with a suffix that matches in capitals and small letters: cameras write ``IMG_1.JPG``."""
    stem, dot, suffix = pattern.rpartition(".")
    if not dot or "/" in suffix or "[" in suffix:
        return pattern
    return stem + dot + "".join(f"[{one.lower()}{one.upper()}]" if one.isalpha() else one for one in suffix)


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
