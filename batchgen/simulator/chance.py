"""Chance that repeats: the same words give the same number in every process, so that runs can be compared."""

import hashlib

_SPAN = 2**64


def chance(*words: object) -> float:
    """A number in [0, 1), evenly spread over all words there could be."""
    text = "\x1f".join(str(word) for word in words)
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") / _SPAN
