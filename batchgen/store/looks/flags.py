"""What is wrong with pictures that nobody complained about. Flags are advice: they change no state and no exit code.

The rules: another size or format than was asked for; nothing on it (blank, wholly transparent, or one colour but for a
speck); no decoder reads it; the same bytes as another picture; nearly the same as another one.
"""

from __future__ import annotations

import enum
import re
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple

from batchgen.request import read_canonical
from batchgen.store.folder.run_folder import RunFolder
from batchgen.store.looks.index import BLANK, ONE_COLOUR, PROBLEM, TRANSPARENT, LookIndex, seen
from batchgen.store.looks.near_duplicates import partners
from batchgen.store.looks.table import Named, Pictures, named, read_pictures
from batchgen.store.looks.thumbnails import read_looks


class Flag(enum.IntFlag):
    """One bit each; several may stand with one picture."""

    SIZE = 1
    FORMAT = 2
    UNREADABLE = 4
    TRANSPARENT = 8
    BLANK = 16
    ONE_COLOUR = 32
    DUPLICATE = 64
    NEAR_DUPLICATE = 128

    @property
    def words(self) -> tuple[str, ...]:
        """Return the flags' names, as files and pages have them."""
        return tuple(WORDS[one] for one in Flag(self))


NONE = Flag(0)

WORDS: Mapping[Flag, str] = {
    Flag.SIZE: "other size",
    Flag.FORMAT: "other format",
    Flag.UNREADABLE: "unreadable",
    Flag.TRANSPARENT: "transparent",
    Flag.BLANK: "blank",
    Flag.ONE_COLOUR: "one colour",
    Flag.DUPLICATE: "duplicate",
    Flag.NEAR_DUPLICATE: "near duplicate",
}


@dataclass(frozen=True, slots=True)
class Checks:
    """The ``flags`` of a folder's pictures, by file, if there are any; ``unseen`` were not looked at yet.

    ``requests`` has the flags of all pictures of a request together. ``twins`` has for each duplicate or near duplicate
    the file of a picture like it; ``problems`` says why a picture is unreadable.
    """

    pictures: int
    unseen: int
    flags: Mapping[str, Flag]
    requests: Mapping[int, Flag]
    twins: Mapping[str, str]
    problems: Mapping[str, str]

    def of(self, file: str) -> Flag:
        return self.flags.get(file, NONE)

    @property
    def counts(self) -> Mapping[str, int]:
        """Return how many pictures have each flag, without flags that no picture has."""
        # As plain numbers: thousands of flags differ in few ways, and take longer to compare than to count.
        counted = Counter(map(int, self.flags.values()))
        found = {WORDS[flag]: sum(count for flags, count in counted.items() if flags & flag) for flag in Flag}
        return {name: count for name, count in found.items() if count}


def read_checks(db: sqlite3.Connection, folder: RunFolder) -> Checks:
    """Return the checks of ``folder``, from a snapshot of its ledger and from what was seen of its pictures."""
    return checks(db, seen(read_looks(folder)))


def checks(db: sqlite3.Connection, known: LookIndex) -> Checks:
    """Return the same as :func:`read_checks`, from what is ``known`` of the folder's pictures."""
    flags: dict[str, Flag] = defaultdict(_none)
    requests: dict[int, Flag] = defaultdict(_none)
    twins: dict[str, str] = {}
    problems: dict[str, str] = {}
    pictures = read_pictures(db, known)
    for found in chain(_misfits(db), _copies(db, pictures), _empty(db, pictures, known), _near(db, pictures, known)):
        if found.flag is Flag.NEAR_DUPLICATE and flags.get(found.file, NONE) & Flag.DUPLICATE:
            continue
        flags[found.file] |= found.flag
        requests[found.request] |= found.flag
        if found.twin:
            twins[found.file] = found.twin
        if found.problem:
            problems[found.file] = found.problem
    unseen = int((pictures.still & (pictures.places < 0)).sum())
    return Checks(len(pictures.digests), unseen, flags, requests, twins, problems)


class _Found(NamedTuple):
    """A flag of the picture ``file`` of a request."""

    request: int
    file: str
    flag: Flag
    twin: str = ""
    problem: str = ""


def _none() -> Flag:
    return NONE


def _empty(db: sqlite3.Connection, pictures: Pictures, known: LookIndex) -> Iterator[_Found]:
    """Return pictures that show nothing, or that no decoder reads."""
    import numpy as np

    looked = np.flatnonzero(pictures.places >= 0)
    odd = looked[known.facts[pictures.places[looked]] != 0]
    for one in named(db, pictures, odd):
        facts = int(known.facts[pictures.places[one.row]])
        flag = next(flag for fact, flag in _MEANINGS.items() if facts & fact)
        problem = known.problems.get(int(pictures.digests[one.row]), "") if flag is Flag.UNREADABLE else ""
        yield _Found(one.request, one.file, flag, problem=problem)


# The first fact that holds is the flag: a picture that can't be read was not seen to be blank.
_MEANINGS = {
    PROBLEM: Flag.UNREADABLE,
    TRANSPARENT: Flag.TRANSPARENT,
    BLANK: Flag.BLANK,
    ONE_COLOUR: Flag.ONE_COLOUR,
}


def _misfits(db: sqlite3.Connection) -> Iterator[_Found]:
    """Return pictures of another size or format than their request names, if the request names one."""
    for number, file, canonical, width, height, form in db.execute(_SUSPECTS):
        asked = read_canonical(canonical).parameters
        size, wanted = asked.get("size", ""), asked.get("output_format", "").lower()
        flag = NONE
        if width and _SIZE.fullmatch(size) and size != f"{width}x{height}":
            flag |= Flag.SIZE
        if wanted in _FORMATS and _FORMATS[wanted] != form:
            flag |= Flag.FORMAT
        if flag:
            yield _Found(number, file, flag)


_SIZE = re.compile("[1-9][0-9]*x[1-9][0-9]*")
_FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp", "gif": "gif", "avif": "avif"}


def _copies(db: sqlite3.Connection, pictures: Pictures) -> Iterator[_Found]:
    """Return pictures whose bytes another one has too: the first of them, and each copy of that first one."""
    import numpy as np

    order = np.argsort(pictures.digests, kind="stable")
    equal = np.flatnonzero(pictures.digests[order[1:]] == pictures.digests[order[:-1]])
    copied: dict[str, list[Named]] = defaultdict(list)
    for one in named(db, pictures, np.unique(order[np.concatenate([equal, equal + 1])])):
        copied[one.sha256].append(one)
    for first, *others in copied.values():
        for one in (first, *others) if others else ():
            yield _Found(one.request, one.file, Flag.DUPLICATE, others[0].file if one is first else first.file)


def _near(db: sqlite3.Connection, pictures: Pictures, known: LookIndex) -> Iterator[_Found]:
    """Return pictures with a near neighbour among those that show something, of each digest the first one."""
    import numpy as np

    looked = np.flatnonzero(pictures.places >= 0)
    shown = looked[known.facts[pictures.places[looked]] == 0]
    shown = shown[np.sort(np.unique(pictures.digests[shown], return_index=True)[1])]
    places = pictures.places[shown]
    partner = partners(known.gradients[places], known.tints[places])
    paired = np.flatnonzero(partner >= 0)
    rows, twins = shown[paired], shown[partner[paired]]
    files = {one.row: one.file for one in named(db, pictures, np.union1d(rows, twins))}
    for row, twin in zip(rows.tolist(), twins.tolist(), strict=True):
        if row in files:
            yield _Found(int(pictures.requests[row]), files[row], Flag.NEAR_DUPLICATE, files.get(twin, ""))


# Most pictures are what was asked for: what the canonical text says so of is not decoded. Its prompts can't say so in
# its stead, JSON escapes their quotes.
_SUSPECTS = """
SELECT p.request_id, p.file, r.canonical, p.width, p.height, p.format
FROM kept_pictures p JOIN requests r ON r.id = p.request_id
WHERE (
    (p.width AND NOT instr(r.canonical, '"size":"' || p.width || 'x' || p.height || '"')
        AND instr(r.canonical, '"size":"'))
    OR (NOT instr(r.canonical, '"output_format":"' || p.format || '"') AND instr(r.canonical, '"output_format":"'))
)
"""
