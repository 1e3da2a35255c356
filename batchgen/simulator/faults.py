"""Faults that can be switched on: which kinds there are, and which request each one strikes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal, get_args

from batchgen.simulator.answer_frames import ENCODINGS, FRAMES
from batchgen.simulator.answer_places import BASE64, LINKS, PLACES
from batchgen.simulator.chance import chance
from batchgen.simulator.error_answers import ERRORS
from batchgen.simulator.stated_costs import COSTS

GenerationFault = Literal[
    # Not admitted: nothing reserved, nothing billed (but see ``billed``).
    "http_status",
    "throttle",
    "insufficient_credits",
    # Accepted, failed, refunded.
    "error_200",
    "refuse",
    # Billed, and the answer does not arrive whole.
    "reset_before",
    "reset_mid_body",
    "truncate",
    "hang",
    "drip",
    # Billed, and the answer is wrong.
    "bad_json",
    "empty_data",
    "wrong_cost",
    # Billed, and the picture comes as other services send it: see ``place`` and what follows it.
    "odd_answer",
    # Another service's error instead of the answer; ``ERRORS`` says of each whether it was billed.
    "error_answer",
    # Billed, and answered with the bytes of the answer before it on the same connection.
    "repeat_answer",
    # Failed and refunded: the service's account with its supplier is empty, the customer's is not.
    "supplier_dry",
]
DownloadFault = Literal[
    "not_an_image",
    "download_status",
    "download_truncate",
    "cut_file",
    "download_late",
    "download_key",
    "download_type",
]
FaultKind = Literal[GenerationFault, DownloadFault]

GENERATION_KINDS: frozenset[FaultKind] = frozenset(get_args(GenerationFault)) - {"supplier_dry"}
DOWNLOAD_KINDS: frozenset[FaultKind] = frozenset(get_args(DownloadFault))

Transfer = Literal["", "no_last_chunk", "length_too_long", "length_too_short", "trailers"]

# The options whose values are the names of a table.
CHOICES: Mapping[str, Mapping[str, Any]] = {
    "error": ERRORS,
    "place": PLACES,
    "base64": BASE64,
    "link": LINKS,
    "frame": FRAMES,
    "encoding": ENCODINGS,
    "cost_in": COSTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and when it strikes. All of ``after``, ``first``, ``every`` and ``probability`` given must agree.

    The options below ``probability`` belong to the kinds named beside them; the others ignore them.
    """

    kind: FaultKind
    model: str = "*"  # a glob over model ids
    after: int = 0  # not the first n matching requests
    first: int = 0  # only the first n matching requests
    every: int = 0  # only every nth matching request
    repeats: bool = False  # only requests whose body came before
    probability: float = 1.0
    status: int = 0  # http_status, download_status, download_late, odd_answer, error_answer: not the usual one
    html: bool = False  # http_status: a gateway's page instead of JSON
    # http_status, throttle, error_answer: the generation runs and is billed, only its answer is lost. Not given:
    # as it is on the real service.
    billed: bool | None = None
    message: str = ""  # http_status, error_200, refuse, throttle, supplier_dry: other words than the usual ones
    retry_after: str = "1"  # throttle: the header's text, whatever it is; error_answer: the wait it states
    literal: str = ""  # wrong_cost: a JSON literal, empty for no cost at all; bad_json: the whole body
    content_length: bool = False  # truncate: promise a length instead of cutting the chunked body
    interval_s: float = 1.0  # drip: pause between two bytes
    error: str = ""  # error_answer: a name of ``ERRORS``
    place: str = ""  # odd_answer: a name of ``PLACES``
    base64: str = ""  # odd_answer: a name of ``BASE64``
    link: str = ""  # odd_answer: a name of ``LINKS``
    frame: str = ""  # odd_answer: a name of ``FRAMES``
    encoding: str = ""  # odd_answer: a name of ``ENCODINGS``
    transfer: Transfer = ""  # odd_answer: how the body's length is stated
    cost_in: str = ""  # odd_answer: a name of ``COSTS``
    pictures: int = 0  # odd_answer: how many come for the price of one
    deposit_usd: float = 0.0  # supplier_dry: what the supplier's account held for these models at the first purchase
    late_s: float = 15.0  # download_late: from the first time the picture is asked for
    content_type: str = "text/html"  # download_type

    def __post_init__(self) -> None:
        for option, table in CHOICES.items():
            name = getattr(self, option)
            if name and name not in table:
                raise ValueError(f"unknown {option} {name!r}; known are {', '.join(table)}")
        if self.kind == "error_answer" and not self.error:
            raise ValueError(f"error_answer needs an error; known are {', '.join(ERRORS)}")

    @property
    def is_billed(self) -> bool:
        """Whether the generation runs and is paid for although an error is all that comes."""
        if self.billed is None and self.kind == "error_answer":
            return ERRORS[self.error].billed
        return bool(self.billed)


class Faults:
    """The faults switched on now. Which request a probability strikes depends on the request, not on its turn."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self._seed = seed
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Switch these on and all others off; counting starts again."""
        self.active = tuple(faults)
        self._met: Counter[int] = Counter()

    def has(self, kind: FaultKind) -> bool:
        """Return whether a fault of this kind is switched on for any model."""
        return any(fault.kind == kind for fault in self.active)

    def of_kind(self, kind: FaultKind, model: str) -> Iterator[Fault]:
        """Yield the active faults of a kind that strikes by something else than turn and chance."""
        return (fault for fault in self.active if fault.kind == kind and fnmatchcase(model, fault.model))

    def striking(self, kinds: frozenset[FaultKind], model: str, body: str, attempt: int = 0) -> Fault | None:
        """Return the first active fault of these kinds that strikes this attempt (from 0), and count the request."""
        identity = (body, attempt)
        for index, fault in enumerate(self.active):
            if fault.kind in kinds and fnmatchcase(model, fault.model) and (attempt or not fault.repeats):
                self._met[index] += 1
                if self._strikes(fault, index, identity):
                    return fault
        return None

    def _strikes(self, fault: Fault, index: int, identity: tuple[object, ...]) -> bool:
        met = self._met[index] - fault.after
        if met <= 0 or (fault.first and met > fault.first):
            return False
        if fault.every and met % fault.every:
            return False
        return fault.probability >= 1 or chance(self._seed, "fault", index, *identity) < fault.probability
