"""An entry of ``include`` as the combinations it adds: a glob stands for every title it matches.

A member of a ``zip`` includes the others at its position.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from fnmatch import fnmatchcase

from batchgen.manifest.model import Axis
from batchgen.manifest.values import Value


def included(
    entry: Mapping[str, str], axes: tuple[Axis, ...], zips: tuple[tuple[str, ...], ...]
) -> list[dict[str, str]]:
    """Return each combination as axis or variable → title or value; ``zips`` are the members of each zip."""
    choices = [_titles(name, wanted, axes) for name, wanted in entry.items() if not any(name in one for one in zips)]
    zipped = [{name: value for name, value in entry.items() if name in members} for members in zips]
    choices += [_together(wanted, members, axes) for wanted, members in zip(zipped, zips, strict=True) if wanted]
    return [dict(itertools.chain(*(one.items() for one in chosen))) for chosen in itertools.product(*choices)]


def chosen(wanted: str, titles: list[str]) -> list[str]:
    """Return the title that equals ``wanted``, else all titles that it matches as a glob."""
    return [wanted] if wanted in titles else [title for title in titles if fnmatchcase(title, wanted)]


def _titles(name: str, wanted: str, axes: tuple[Axis, ...]) -> list[dict[str, str]]:
    titles = next(([value.title for value in axis.values] for axis in axes if axis.name == name), [])
    return [{name: title} for title in chosen(wanted, titles) or [wanted]]


def _together(wanted: Mapping[str, str], members: tuple[str, ...], axes: tuple[Axis, ...]) -> list[dict[str, str]]:
    """Return the positions of a zip that match all of ``wanted``; without one, ``wanted`` itself as a new value."""
    axis = next(axis for axis in axes if axis.name == "+".join(members))
    matching = [value.title for value in axis.values if all(_matches(value.settings, *one) for one in wanted.items())]
    return [{axis.name: title} for title in matching] or [dict(wanted)]


def _matches(settings: Mapping[str, Value], name: str, wanted: str) -> bool:
    value = settings[name]
    return isinstance(value, str) and (value == wanted or fnmatchcase(value, wanted))
