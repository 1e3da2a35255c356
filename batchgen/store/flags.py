"""What is wrong with pictures that nobody complained about. Flags are advice: they change no state and no exit code.

The rules: another size or format than was asked for; nothing on it (blank, wholly transparent, or one colour but for a
speck); no decoder reads it; the same bytes as another picture; nearly the same as another one. Pictures count as nearly
the same whatever their prompts: what a user wants to hear is that two purchases brought one picture, and a repeat that
differs as repeats do is far beyond the threshold.
"""

from __future__ import annotations

import enum
import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from batchgen.store.folder import RunFolder
from batchgen.store.shrink import Look
from batchgen.store.thumbnails import STILL, Thumbnails

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


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
        """The flags' names, as files and pages have them."""
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
    """The ``flags`` of a folder's pictures, by file, where there are any; ``unseen`` were not looked at yet.

    ``requests`` has the flags of all pictures of a request together. ``twins`` has for each duplicate or near duplicate
    the file of one that it is like; ``problems`` says why a picture is unreadable.
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
        """How many pictures have each flag; those that none has are left out."""
        found = {WORDS[flag]: sum(bool(one & flag) for one in self.flags.values()) for flag in Flag}
        return {name: count for name, count in found.items() if count}


def read_checks(db: sqlite3.Connection, folder: RunFolder) -> Checks:
    """The checks of ``folder``, from a snapshot of its ledger and from what was seen of its pictures."""
    thumbnails = Thumbnails(folder)
    return checks(db, thumbnails.seen if thumbnails.any else None)


def checks(db: sqlite3.Connection, look: Callable[[str], Look | None] | None) -> Checks:
    """As :func:`read_checks`, with what is known of a picture by its digest; ``None`` where nothing is of any."""
    found: dict[str, Flag] = defaultdict(_none)
    requests: dict[int, Flag] = defaultdict(_none)
    twins: dict[str, str] = {}
    problems: dict[str, str] = {}
    numbers: dict[str, int] = {}
    known: dict[str, _Known] = {}
    pictures = unseen = 0
    for number, file, flag in (*_misfits(db), *_copies(db, twins)):
        found[file] |= flag
        numbers[file] = number
    if look is None:
        for form, count in db.execute("SELECT format, count(*) FROM pictures WHERE home IS NULL GROUP BY format"):
            pictures += count
            unseen += count if form in STILL else 0
    for number, file, sha256, form in db.execute(_PICTURES) if look else ():
        pictures += 1
        seen = look(sha256) if look and form in STILL else None
        if seen is None:
            unseen += form in STILL
        elif flag := _of_look(seen):
            found[file] |= flag
            numbers[file] = number
            if seen.problem:
                problems[file] = seen.problem
        else:
            known.setdefault(sha256, _Known(number, file, seen))
    for number, file, twin in _near_duplicates(tuple(known.values())):
        if not found.get(file, NONE) & Flag.DUPLICATE:
            found[file] |= Flag.NEAR_DUPLICATE
            numbers[file] = number
            twins[file] = twin
    for file, flag in found.items():
        requests[numbers[file]] |= flag
    return Checks(pictures, unseen, found, requests, twins, problems)


class _Known(NamedTuple):
    """A picture that shows something: its request's number, its file, and what was seen."""

    request: int
    file: str
    look: Look


def _none() -> Flag:
    return NONE


def _of_look(look: Look) -> Flag:
    if look.problem:
        return Flag.UNREADABLE
    if look.transparent:
        return Flag.TRANSPARENT
    if look.blank:
        return Flag.BLANK
    return Flag.ONE_COLOUR if look.one_colour else NONE


def _misfits(db: sqlite3.Connection) -> Iterator[tuple[int, str, Flag]]:
    """Pictures of another size or format than their request names; a request that names none gets what it gets."""
    for number, file, canonical, width, height, form in db.execute(_SUSPECTS):
        asked = _canonical.decode(canonical).parameters
        size, wanted = asked.get("size", ""), asked.get("output_format", "").lower()
        flag = NONE
        if width and _SIZE.fullmatch(size) and size != f"{width}x{height}":
            flag |= Flag.SIZE
        if wanted in _FORMATS and _FORMATS[wanted] != form:
            flag |= Flag.FORMAT
        if flag:
            yield number, file, flag


class _Canonical(msgspec.Struct):
    parameters: dict[str, str]


_canonical = msgspec.json.Decoder(_Canonical)
_SIZE = re.compile("[1-9][0-9]*x[1-9][0-9]*")
_FORMATS = {"png": "png", "jpeg": "jpeg", "jpg": "jpeg", "webp": "webp", "gif": "gif", "avif": "avif"}


def _copies(db: sqlite3.Connection, twins: dict[str, str]) -> Iterator[tuple[int, str, Flag]]:
    """Pictures whose bytes another one has too; ``twins`` is told which."""
    first: dict[str, str] = {}
    for number, file, sha256 in db.execute(_COPIES):
        original = first.setdefault(sha256, file)
        if original != file:
            twins[file] = original
            twins.setdefault(original, file)
        yield number, file, Flag.DUPLICATE


# Pictures as close as this in their gradients and their colours look the same to a person. Measured on drawings of the
# simulator and their recompressed copies; a repeat of the same request differs by 10 bits and more.
_NEAR_BITS = 3
_NEAR_LEVELS = 6
# Of five blocks at least two are equal where three bits differ: pictures are compared within equal pairs of blocks.
_BLOCKS = (0x1FFF, 0x1FFF << 13, 0x1FFF << 26, 0x1FFF << 39, 0xFFF << 52)
# Neighbours in each order that are compared: bounds the work where thousands are alike, each of which has such a
# neighbour all the same.
_NEIGHBOURS = 8


def _near_duplicates(known: Sequence[_Known]) -> Iterator[tuple[int, str, str]]:
    """The number and file of each picture with a near neighbour, and the neighbour's file."""
    import numpy as np

    if len(known) < 2:
        return
    bits = np.array([int(one.look.gradient, 16) for one in known], dtype=np.uint64)
    tints = np.frombuffer(bytes.fromhex("".join(one.look.tint for one in known)), dtype=np.uint8)
    for one, partner in zip(known, _partners(bits, tints.reshape(len(known), -1)), strict=True):
        if partner >= 0:
            yield one.request, one.file, known[partner].file


def _partners(bits: npt.NDArray[np.uint64], tints: npt.NDArray[np.uint8]) -> list[int]:
    """For each picture the place of one that is nearly the same, or -1."""
    import numpy as np

    partner = np.full(len(bits), -1, dtype=np.int64)
    for pair in combinations(_BLOCKS, 2):
        blocks = bits & np.uint64(pair[0] | pair[1])
        order = np.lexsort((bits, blocks))
        for step in range(1, min(_NEIGHBOURS + 1, len(order))):
            one, other = order[:-step], order[step:]
            alike = blocks[one] == blocks[other]
            alike[alike] = np.bitwise_count(bits[one[alike]] ^ bits[other[alike]]) <= _NEAR_BITS
            one, other = one[alike], other[alike]
            near = np.abs(tints[one].astype(np.int16) - tints[other]).mean(axis=1) <= _NEAR_LEVELS
            one, other = one[near], other[near]
            partner[one], partner[other] = other, one
    found: list[int] = partner.tolist()
    return found


_PICTURES = """
SELECT request_id, file, sha256, format FROM pictures WHERE home IS NULL ORDER BY request_id, ordinal
"""

# Most pictures are what was asked for: what the canonical text says so of is not decoded. Its prompts can't say so in
# its stead, JSON escapes their quotes.
_SUSPECTS = """
SELECT p.request_id, p.file, r.canonical, p.width, p.height, p.format
FROM pictures p JOIN requests r ON r.id = p.request_id
WHERE p.home IS NULL AND (
    (p.width AND instr(r.canonical, '"size":"')
        AND NOT instr(r.canonical, '"size":"' || p.width || 'x' || p.height || '"'))
    OR (instr(r.canonical, '"output_format":"') AND NOT instr(r.canonical, '"output_format":"' || p.format || '"'))
)
"""

_COPIES = """
SELECT p.request_id, p.file, p.sha256 FROM pictures p
JOIN (SELECT sha256 FROM pictures WHERE home IS NULL GROUP BY sha256 HAVING count(*) > 1) copied
ON copied.sha256 = p.sha256 WHERE p.home IS NULL ORDER BY p.request_id, p.ordinal
"""
