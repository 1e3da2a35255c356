"""Which split a picture belongs to: by a digest of its prompt, so that no prompt stands in two of them.

The answer depends on nothing but the prompt: a dataset that grows moves no picture from one split to another.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from hashlib import blake2b

REST = "train"


def split_of(group: str, fractions: Mapping[str, float]) -> str:
    """Return the name of the split of all pictures of ``group``; what no fraction takes is ``train``.

    Groups that differ only in case, white space or how their letters are composed are one.
    """
    if not fractions:
        return REST
    same = " ".join(unicodedata.normalize("NFKC", group).casefold().split())
    place = int.from_bytes(blake2b(same.encode("utf-8", "surrogatepass"), digest_size=8).digest()) / 2**64
    reached = 0.0
    for name, fraction in fractions.items():
        reached += fraction
        if place < reached:
            return name
    return REST
