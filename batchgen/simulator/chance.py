"""Reproducible random numbers: the same words give the same number in every process, so that runs compare."""

import hashlib

_SPAN = 2**64


def chance(*words: object) -> float:
    """Return a number in [0, 1), uniform over all possible words."""
    text = "\x1f".join(str(word) for word in words)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SPAN
