"""Two run folders side by side, such as last week's and today's: the versions of one request share a row."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchgen.compare.entries import Entry

# What stands between the earlier and the later prompt of a row whose prompt was changed.
ARROW = "\n→ "


@dataclass(frozen=True, slots=True)
class Version:
    """What tells an entry's folder from the other: its ``name``, and ``base``, its address as the page sees it.

    ``request`` is the same text for both versions of a request: its prompt, or both prompts if it was changed.
    """

    name: str
    base: str
    request: str


def folder_names(folders: Sequence[Path]) -> tuple[str, ...]:
    """Return a name for each of two folders: its own, or, if both have one, as much of the path as tells them apart."""
    paths = [path.resolve() for path in folders]
    names = tuple(path.name for path in paths)
    if len(set(names)) == len(names):
        return names
    common = Path(os.path.commonpath(paths))
    return tuple(path.relative_to(common).as_posix() for path in paths)


def base_of(folder: Path, page: Path) -> str:
    """Return the relative address of a run folder for a page in another, empty for the page's own."""
    way = os.path.relpath(folder.resolve(), page.resolve()).replace(os.sep, "/")
    return "" if way == "." else f"{way}/"


def shared_requests(folders: Sequence[Iterable[Entry]]) -> tuple[tuple[str, ...], ...]:
    """Return for each entry of each folder the text under which its row stands.

    A prompt that both folders have is the row of both. Of the rest those of one row of the plan, with the same axes
    beside the model, are versions of each other, if each folder has one prompt there.
    """
    entries = [tuple(one) for one in folders]
    prompts = [{entry.words.get("prompt", "") for entry in one} for one in entries]
    alone: list[dict[tuple[object, ...], dict[str, None]]] = []
    for place, one in enumerate(entries):
        others = set().union(*(some for number, some in enumerate(prompts) if number != place))
        found: dict[tuple[object, ...], dict[str, None]] = defaultdict(dict)
        for entry in one:
            if (prompt := entry.words.get("prompt", "")) not in others:
                found[_place(entry)][prompt] = None
        alone.append(found)
    changed: list[dict[str, str]] = [{} for _ in entries]
    for key in alone[0].keys() & alone[-1].keys():
        versions = [list(found[key]) for found in alone]
        if all(len(some) == 1 for some in versions):
            for number, (prompt,) in enumerate(versions):
                changed[number][prompt] = ARROW.join(some[0] for some in versions)
    return tuple(
        tuple(changed[place].get(prompt := entry.words.get("prompt", ""), prompt) for entry in one)
        for place, one in enumerate(entries)
    )


def _place(entry: Entry) -> tuple[object, ...]:
    return entry.row, *sorted(item for item in entry.axes.items() if item[0] != "model")
