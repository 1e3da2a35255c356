"""Which of millions of keys or names were met before, in a few bytes each, where a set would take a hundred."""

from __future__ import annotations

from array import array

from batchgen.request import number_of

_EMPTY = 0
_SMALLEST = 4096


class CompactSet:
    """A growing open-addressed table of 64-bit numbers, each with a 32-bit number of its own beside it if wanted.

    What is remembered are 64 bits of a digest: two different things share them once in 10^7 plans of a million.
    """

    def __init__(self, *, with_values: bool = False) -> None:
        self._numbers = array("Q", bytes(8 * _SMALLEST))
        self._values = array("I", bytes(4 * _SMALLEST)) if with_values else None
        self._count = 0

    def add(self, key: str) -> bool:
        """Whether ``key`` was not there yet."""
        return self.first(number_of(key), 0) is None

    def first(self, number: int, value: int) -> int | None:
        """What was said of ``number`` the first time it was met, or ``None`` if that is now, with ``value``."""
        numbers = self._numbers
        number = number or 1
        place = _place(numbers, number)
        if numbers[place] == number:
            return 0 if self._values is None else self._values[place]
        numbers[place] = number
        if self._values is not None:
            self._values[place] = value
        self._count += 1
        if self._count * 3 > len(numbers) * 2:
            self._grow()
        return None

    def _grow(self) -> None:
        old_numbers, old_values = self._numbers, self._values
        self._numbers = array("Q", bytes(16 * len(old_numbers)))
        self._values = None if old_values is None else array("I", bytes(8 * len(old_numbers)))
        for old_place, number in enumerate(old_numbers):
            if number != _EMPTY:
                place = _place(self._numbers, number)
                self._numbers[place] = number
                if old_values is not None and self._values is not None:
                    self._values[place] = old_values[old_place]


def _place(numbers: array[int], number: int) -> int:
    """Where ``number`` stands, or the empty place that is its own."""
    mask = len(numbers) - 1
    place = number & mask
    while numbers[place] not in (number, _EMPTY):
        place = (place + 1) & mask
    return place
