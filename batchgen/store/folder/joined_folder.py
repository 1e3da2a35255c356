"""Several run folders as one, for reading: what is derived of them goes into a folder of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen.store.folder.run_folder import RunFolder


@dataclass(frozen=True, slots=True)
class JoinedFolder(RunFolder):
    """The ``folders``, which nothing is written into; ``root`` takes what is made of them together.

    ``joined_ledger`` is theirs as one; in it, the names of pictures lead from ``root`` into their folders.
    """

    folders: tuple[RunFolder, ...]
    joined_ledger: Path

    @property
    def ledger(self) -> Path:
        return self.joined_ledger

    @property
    def parts(self) -> tuple[tuple[str, RunFolder], ...]:
        return tuple(zip(prefixes(self.root, self.folders), self.folders, strict=True))

    def original(self, name: str) -> Path:
        """Return where the picture is; if several folders have it, in the first of them."""
        paths = [folder.original(name) for folder in self.folders]
        return next((path for path in paths if path.is_file()), paths[0])


def prefixes(root: Path, folders: Sequence[RunFolder]) -> tuple[str, ...]:
    """Return what leads from ``root`` to each folder, with ``/`` between its parts and at its end."""
    # After links are followed, as whoever opens a page there follows them.
    found = (os.path.relpath(folder.root.resolve(), root.resolve()) for folder in folders)
    return tuple(f"{Path(path).as_posix()}/" for path in found)
