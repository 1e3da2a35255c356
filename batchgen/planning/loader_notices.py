"""What readers of the finished dataset would take for something else: told beforehand, and stops nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from batchgen.errors import Problem
from batchgen.manifest import PARAMETERS, RESERVED_COLUMNS, Manifest
from batchgen.planning.naming import without_suffix
from batchgen.wording import shown

_NAME = re.compile(r"\{[^{}]*\}")


def loader_notices(manifest: Manifest, columns: Iterable[str]) -> Iterator[Problem]:
    """Yield what is odd about the names of pictures and of columns; ``columns`` are those that rows have."""
    place = str(manifest.source)
    if manifest.output.path is not None and _has_dot(manifest.output.path.text):
        yield Problem(
            "output.path has a dot in its names: readers of WebDataset cut a name at its first dot and take pictures "
            "with the same beginning for one sample; write '-' instead",
            place,
        )
    set_by_axes = (name for axis in manifest.axes for value in axis.values for name in value.settings)
    for one, other in _alike((*manifest.defaults, *set_by_axes, *sorted(columns))):
        yield Problem(
            f"the columns {shown(one)} and {shown(other)} differ by case alone: DuckDB and other databases take them "
            "for one; rename one of them",
            place,
        )


def _has_dot(template: str) -> bool:
    """Return whether a template itself, not a value that fills it, gives the last part of a name a dot."""
    return "." in without_suffix(_NAME.sub("x", template)).rpartition("/")[2]


def _alike(columns: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield columns that are one to readers which ignore case, among themselves and those of every dataset."""
    ours = (*RESERVED_COLUMNS, *PARAMETERS, "repeat")
    seen = {name.casefold(): name for name in ours}
    for name in dict.fromkeys(columns):
        first = seen.setdefault(name.casefold(), name)
        if first != name:
            yield first, name
