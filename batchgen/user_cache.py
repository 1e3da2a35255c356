"""The user's cache folder: what lies there spares work, and may be deleted at any time."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """Return this system's cache folder for users; ``XDG_CACHE_HOME`` counts on each system."""
    stated = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if stated.is_absolute():
        return stated / "batchgen"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "batchgen"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "batchgen" / "Cache"
    return Path.home() / ".cache" / "batchgen"
