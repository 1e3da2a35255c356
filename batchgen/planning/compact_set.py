"""Which of millions of keys or names were met before, in a few bytes each; a set would take a hundred."""

from __future__ import annotations

from array import array

from batchgen.request import number_of

_EMPTY = 0
_SMALLEST = 4096


class CompactSet:
    """A growing open-addressed table of 64-bit numbers, each with a 32-bit value if wanted.

    It keeps 64 bits of a digest: two different keys share them once in 10^7 plans of a million.
    """

    def __init__(self, *, with_values: bool = False) -> None:
        self._numbers = array("Q", bytes(8 * _SMALLEST))
        self._values = array("I", bytes(4 * _SMALLEST)) if with_values else None
        self._count = 0

    def add(self, key: str) -> bool:
        """Add ``key``, and return whether it is new."""
        return self.first(number_of(key), 0) is None

    def first(self, number: int, value: int) -> int | None:
        """Return the value of ``number`` from its first call, or ``None`` if this is the first, and keep ``value``."""
        numbers = self._numbers
        number = number or 1
        slot = _slot_of(numbers, number)
        if numbers[slot] == number:
            return 0 if self._values is None else self._values[slot]
        numbers[slot] = number
        if self._values is not None:
            self._values[slot] = value
        self._count += 1
        if self._count * 3 > len(numbers) * 2:
            self._grow()
        return None

    def _grow(self) -> None:
        old_numbers, old_values = self._numbers, self._values
        self._numbers = array("Q", bytes(16 * len(old_numbers)))
        self._values = None if old_values is None else array("I", bytes(8 * len(old_numbers)))
        for old_slot, number in enumerate(old_numbers):
            if number != _EMPTY:
                slot = _slot_of(self._numbers, number)
                self._numbers[slot] = number
                if old_values is not None and self._values is not None:
                    self._values[slot] = old_values[old_slot]


def _slot_of(numbers: array[int], number: int) -> int:
    """Return the slot of ``number``, or the empty slot to put it into."""
    mask = len(numbers) - 1
    slot = number & mask
    while numbers[slot] not in (number, _EMPTY):
        slot = (slot + 1) & mask
    return slot
