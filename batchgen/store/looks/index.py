"""What was seen of a folder's pictures, as columns: a million looks as objects would take five times the memory.

Pictures are told apart by the first 64 bits of their digests: two of a million share these bits once in 10^7
folders, and then a flag is wrong, which is advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchgen.store.looks.worker import TINT_BYTES, Look

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Words = npt.NDArray[np.uint64]
    Bytes = npt.NDArray[np.uint8]

# What a look said, one bit each.
PROBLEM, TRANSPARENT, BLANK, ONE_COLOUR = 1, 2, 4, 8

_GRADIENT = "0" * 16
_TINT = "00" * TINT_BYTES


@dataclass(frozen=True, slots=True)
class LookIndex:
    """One row per look, the oldest first. ``order`` are the rows by their digests, which ``ordered`` has in that order.

    ``facts`` are the bits of what is wrong, 0 for most. ``problems`` says by digest why a picture has no thumbnail.
    """

    order: npt.NDArray[np.int64]
    ordered: Words
    facts: Bytes
    gradients: Words
    tints: Bytes
    problems: Mapping[int, str]

    def places(self, digests: Words) -> npt.NDArray[np.int64]:
        """Return the row of each of ``digests``, -1 if its picture was never looked at."""
        import numpy as np

        if not len(self.ordered):
            return np.full(len(digests), -1, dtype=np.int64)
        # The last of equal ones: what was seen when its thumbnail was made again.
        found = np.searchsorted(self.ordered, digests, side="right") - 1
        return np.where(self.ordered[found] == digests, self.order[found], -1)


def seen(looks: Iterable[list[Look]]) -> LookIndex:
    """Return the columns of ``looks``, which come in handfuls, without looks that batchgen did not write."""
    import numpy as np

    problems: dict[int, str] = {}
    parts = [_columns(handful, problems) for handful in looks]
    none = (np.empty(0, np.uint64), np.empty(0, np.uint8), np.empty(0, np.uint64), np.empty((0, TINT_BYTES), np.uint8))
    digests, facts, gradients, tints = (np.concatenate(columns) for columns in zip(none, *parts, strict=True))
    order = np.argsort(digests, kind="stable")
    return LookIndex(order, digests[order], facts, gradients, tints, problems)


def numbers_of(digits: str) -> Words:
    """Return the numbers of 64 bits that ``digits`` holds, of 16 hexadecimal digits each.

    Raises ``ValueError`` if ``digits`` has other characters, or some left over.
    """
    import numpy as np

    return np.frombuffer(bytes.fromhex(digits), dtype=">u8").astype(np.uint64)


def _columns(looks: list[Look], problems: dict[int, str]) -> tuple[Words, Bytes, Words, Bytes]:
    import numpy as np

    try:
        digests = numbers_of("".join([look.sha256[:16] for look in looks])).reshape(len(looks))
        gradients = numbers_of("".join([look.gradient or _GRADIENT for look in looks])).reshape(len(looks))
        tints = np.frombuffer(bytes.fromhex("".join([look.tint or _TINT for look in looks])), dtype=np.uint8)
        tints = tints.reshape(len(looks), TINT_BYTES)
    except ValueError:
        return _columns([look for look in looks if _is_sound(look)], problems)
    facts = np.zeros(len(looks), dtype=np.uint8)
    for place, look in enumerate(looks):
        if look.problem or look.blank or look.transparent or look.one_colour:
            facts[place] = _facts(look)
            if look.problem:
                problems[int(look.sha256[:16], 16)] = look.problem
    return digests, facts, gradients, tints


def _facts(look: Look) -> int:
    wrong = PROBLEM * bool(look.problem) | TRANSPARENT * look.transparent
    return wrong | BLANK * look.blank | ONE_COLOUR * look.one_colour


_DIGITS = re.compile("[0-9a-f]*")


def _is_sound(look: Look) -> bool:
    """Return whether the texts of a look are hexadecimal and as long as ours are."""
    texts = (look.sha256, look.gradient or _GRADIENT, look.tint or _TINT)
    return all(map(_DIGITS.fullmatch, texts)) and tuple(map(len, texts)) == (64, len(_GRADIENT), len(_TINT))
