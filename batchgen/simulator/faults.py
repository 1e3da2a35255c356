"""Faults that can be switched on: which kinds there are, and which request each one strikes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal, get_args

from batchgen.simulator.chance import chance

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
]
DownloadFault = Literal["not_an_image", "download_status", "download_truncate", "cut_file"]
FaultKind = Literal[GenerationFault, DownloadFault]

GENERATION_KINDS: frozenset[FaultKind] = frozenset(get_args(GenerationFault))
DOWNLOAD_KINDS: frozenset[FaultKind] = frozenset(get_args(DownloadFault))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault and when it strikes. All of ``first``, ``every`` and ``probability`` that are given must agree.

    The options below ``probability`` belong to the kinds named beside them; the others ignore them.
    """

    kind: FaultKind
    model: str = "*"  # a glob over model ids
    first: int = 0  # only the first n matching requests
    every: int = 0  # only every nth matching request
    probability: float = 1.0
    status: int = 500  # http_status, download_status
    html: bool = False  # http_status: a gateway's page instead of JSON
    billed: bool = False  # http_status, throttle: the generation runs and is billed, only its answer is lost
    message: str = ""  # http_status, error_200, refuse, throttle: other words than the usual ones
    retry_after: str = "1"  # throttle: the header's text, whatever it is
    literal: str = ""  # wrong_cost: a JSON literal, empty for no cost at all; bad_json: the whole body
    content_length: bool = False  # truncate: promise a length instead of cutting the chunked body
    interval_s: float = 1.0  # drip: pause between two bytes


class Faults:
    """The faults switched on now. Which request a probability strikes depends on the request, not on its turn."""

    def __init__(self, faults: Iterable[Fault], seed: int) -> None:
        self._seed = seed
        self.replace(faults)

    def replace(self, faults: Iterable[Fault]) -> None:
        """Switch these on and all others off; counting starts again."""
        self.active = tuple(faults)
        self._met: Counter[int] = Counter()

    def striking(self, kinds: frozenset[FaultKind], model: str, *identity: object) -> Fault | None:
        """Return the first active fault of these kinds that strikes the request ``identity``, and count the request."""
        for index, fault in enumerate(self.active):
            if fault.kind in kinds and fnmatchcase(model, fault.model):
                self._met[index] += 1
                if self._strikes(fault, index, identity):
                    return fault
        return None

    def _strikes(self, fault: Fault, index: int, identity: tuple[object, ...]) -> bool:
        met = self._met[index]
        if fault.first and met > fault.first:
            return False
        if fault.every and met % fault.every:
            return False
        return fault.probability >= 1 or chance(self._seed, "fault", index, *identity) < fault.probability
