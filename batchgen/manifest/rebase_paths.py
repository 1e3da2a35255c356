"""A job file's relative paths, made relative to another folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from batchgen.manifest.document import Document

_PICTURES = frozenset({"image", "mask"})
_FILES = frozenset({"ca", "socket"})
# A URL, a data URI, or a path that is not relative.
_FIXED = re.compile(r"[a-z][a-z0-9+.\-]+:|/|~|\s*$", re.IGNORECASE)


def moved(document: Document, below: str) -> Document:
    """Return ``document``, which lies in the folder ``below``, with its paths relative to the folder above."""
    if below == ".":
        return document
    move = _Move(below)
    sections = {"rows": move.rows, "defaults": move.settings, "matrix": move.axes, "provider": move.provider}
    sections |= dict.fromkeys(("zip", "include", "exclude"), move.entries)
    data = {name: sections[name](value) if name in sections else value for name, value in document.data.items()}
    return replace(document, data=data)


class _Move:
    """Puts a folder in front of every relative path; values of a wrong type are left for the checks."""

    def __init__(self, below: str) -> None:
        self._below = below

    def rows(self, rows: Any) -> Any:
        return self._path(rows) if isinstance(rows, str) else self.entries(rows)

    def provider(self, provider: Any) -> Any:
        if not isinstance(provider, dict):
            return provider
        return {name: self._pictures(value) if name in _FILES else value for name, value in provider.items()}

    def entries(self, entries: Any) -> Any:
        """Return the entries of ``zip``, ``include`` and ``exclude``, and inline rows."""
        return [self.axes(entry) for entry in entries] if isinstance(entries, list) else entries

    def settings(self, settings: Any) -> Any:
        if not isinstance(settings, dict):
            return settings
        return {name: self._pictures(value) if name in _PICTURES else value for name, value in settings.items()}

    def axes(self, axes: Any) -> Any:
        return {name: self._axis(name, values) for name, values in axes.items()} if isinstance(axes, dict) else axes

    def _axis(self, name: str, values: Any) -> Any:
        if not isinstance(values, dict):
            return self._pictures(values) if name in _PICTURES else values
        if values.keys() & {"file", "files"}:
            return {key: self._pictures(value) if key in {"file", "files"} else value for key, value in values.items()}
        return {title: self._titled(name, value) for title, value in values.items()}

    def _titled(self, axis: str, value: Any) -> Any:
        if isinstance(value, Mapping):
            return self.settings(value)
        return self._pictures(value) if axis in _PICTURES else value

    def _pictures(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._pictures(one) for one in value]
        return self._path(value) if isinstance(value, str) else value

    def _path(self, path: str) -> str:
        return path if _FIXED.match(path) else posixpath.normpath(f"{self._below}/{path}")
