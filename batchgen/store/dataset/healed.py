"""What a ledger is healed with and by: requests of the plan, stray answers, and the counts of what came back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from batchgen.request import Request
from batchgen.store.ledger.transitions import Bill, StoredPicture
from batchgen.store.pictures.receipt import Receipt
from batchgen.wording import counted


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request of the plan, the stem of its name, what it is expected to cost and who says so, if anybody knows."""

    request: Request
    stem: str
    expected_microusd: int | None
    price_source: str | None = None

    @property
    def bill(self) -> Bill:
        """The bill of an answer of which nothing tells what it cost."""
        return Bill(estimated_microusd=self.expected_microusd or 0, flag="recovered", source=self.price_source)


# Finds the requests of a plan by the first 64 bits of their keys.
Find = Callable[[Callable[[int], bool]], Iterator[Wanted]]


@dataclass(frozen=True, slots=True)
class StrayAnswer:
    """Pictures of one answer that the ledger does not know, and the receipt beside them, if they lie in a bucket."""

    pictures: list[StoredPicture]
    receipt: Receipt | None

    @property
    def take(self) -> int:
        return self.receipt.take if self.receipt else 1


@dataclass(slots=True)
class Healed:
    """What came back: requests ``stored``, of which ``unpriced`` have no cost that a line states; ``answered`` ones to
    be finished; ``lost`` ones, whose bytes are gone; ``failures``. ``unknown`` files and lines belong to no request.
    ``takes`` are further pictures of stored requests.
    """

    stored: int = 0
    unpriced: int = 0
    answered: int = 0
    lost: int = 0
    failures: int = 0
    takes: int = 0
    unknown: list[str] = field(default_factory=list)

    @property
    def any(self) -> bool:
        return bool(self.stored or self.answered or self.lost or self.failures or self.takes)

    def __str__(self) -> str:
        said = [f"{counted(self.stored, 'request')} stored"]
        if self.unpriced:
            said.append(f"{self.unpriced:,} of them without a line that says what they cost: estimated")
        if self.takes:
            said.append(f"{counted(self.takes, 'more take')} of what is stored")
        if self.answered:
            said.append(f"{counted(self.answered, 'answer')} to be made pictures of")
        if self.lost:
            paid = counted(self.lost, "request")
            said.append(f"{paid} paid for whose pictures are gone or altered (--retry missing buys them again)")
        if self.failures:
            said.append(f"{counted(self.failures, 'request')} that ended otherwise")
        if self.unknown:
            said.append(f"{counted(len(self.unknown), 'file or line', 'files or lines')} that belong to no request")
        return ", ".join(said)
