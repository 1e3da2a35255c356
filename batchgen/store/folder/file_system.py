"""The name of the file system under a folder, for messages about what it can't do."""

from __future__ import annotations

import os
import re
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
# As people and shops write them; others stand as the kernel names them.
_NAMES = {"exfat": "exFAT", "vfat": "FAT32", "msdos": "FAT", "ntfs3": "NTFS", "fuseblk": "FUSE (exFAT or NTFS)"}


def file_system_of(folder: Path) -> str:
    """Return the name, such as ``exFAT``; empty if this system doesn't tell."""
    try:
        device = folder.stat().st_dev
        mounts = _MOUNTS.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    number = f"{os.major(device)}:{os.minor(device)}"
    # See proc(5): the fields before the hyphen may be of any number.
    found = re.findall(rf"^\d+ \d+ {number} .*? - (\S+) ", mounts, re.MULTILINE)
    return _NAMES.get(found[-1], found[-1]) if found else ""
