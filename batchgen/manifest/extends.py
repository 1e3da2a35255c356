"""``extends: base.yaml``: a job file takes over what another one says, and adds to it.

Mappings are merged key by key at every depth; whatever else there is (a text, a list, an axis of the matrix) replaces
what the base says, and a key without a value removes it. ``name`` is not taken over. Relative paths in a base
stay relative to the base.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.document import DataPath, Document
from batchgen.manifest.rebase_paths import moved
from batchgen.manifest.text_files import inside, job_text, refuse_unless_readable
from batchgen.manifest.yaml import read_yaml
from batchgen.wording import printable, shown

DEEPEST = 8
YAML_SUFFIXES = (".yaml", ".yml")

# Two jobs of one name would share a run folder.
_OWN = frozenset({"extends", "name"})


def with_bases(document: Document, source: Path) -> Document:
    """Return ``document``, read from ``source``, with everything that its bases say.

    Raise :class:`ManifestError` if a base can't be read, lies outside the folder of ``source``, or leads back.
    """
    return _Chain(source.parent, (source,)).extended(document)


@dataclass(frozen=True, slots=True)
class _Chain:
    """The files from the manifest itself down to the one that is being read."""

    folder: Path
    files: tuple[Path, ...]

    def extended(self, document: Document) -> Document:
        """Return ``document``, the last of these files, with what its bases say."""
        written = document.data.get("extends")
        if written is None:
            return document
        place = document.place(("extends",))
        if not isinstance(written, str):
            raise ManifestError([Problem(f"extends must be the name of a file, found {shown(written)}", place)])
        path = self._base(written, place)
        base = read_yaml(job_text(path, printable(str(path))), str(path))
        below = path.resolve().parent.relative_to(self.folder.resolve()).as_posix()
        return _merged(document, _Chain(self.folder, (*self.files, path)).extended(moved(base, below)))

    def _base(self, written: str, place: str) -> Path:
        try:
            path = inside(self.folder, self.files[-1].parent / written)
        except ValueError as error:
            raise ManifestError([Problem(f"extends {error}, found {shown(written)}", place)]) from None
        if path.suffix.lower() not in YAML_SUFFIXES:
            raise ManifestError([Problem(f"extends must name a YAML job file, found {shown(written)}", place)])
        refuse_unless_readable(path, str(path), place)
        if path.resolve() in [file.resolve() for file in self.files]:
            ring = " → ".join(printable(file.name) for file in (*self.files, path))
            raise ManifestError([Problem(f"extends leads back to where it began: {ring}", place)])
        if len(self.files) > DEEPEST:
            raise ManifestError([Problem(f"extends leads through more than {DEEPEST} files", place)])
        return path


def _merged(document: Document, base: Document) -> Document:
    """Return both in one; what came from the base keeps its location there."""
    taken: set[DataPath] = set()
    inherited = {name: value for name, value in base.data.items() if name not in _OWN}
    data = _merge(document.data, inherited, (), taken)
    elsewhere = {
        path: base.place(path)
        for path in (*base.lines, *base.elsewhere)
        if any(path[:length] in taken for length in range(1, len(path) + 1))
    }
    cut = {path: text for path, text in base.cut.items() if path in elsewhere}
    return replace(document, data=data, elsewhere={**elsewhere, **document.elsewhere}, cut={**cut, **document.cut})


def _merge(ours: Mapping[str, Any], base: Mapping[str, Any], path: DataPath, taken: set[DataPath]) -> dict[str, Any]:
    """Return ``base`` with ``ours`` over it; add the paths that stay of the base to ``taken``."""
    merged: dict[str, Any] = {}
    for name, value in base.items():
        if name not in ours:
            merged[name] = value
            taken.add((*path, name))
        elif isinstance(ours[name], dict) and isinstance(value, dict) and path != ("matrix",):
            merged[name] = _merge(ours[name], value, (*path, name), taken)
        elif ours[name] is not None:
            merged[name] = ours[name]
    return merged | {name: value for name, value in ours.items() if name not in base}
