"""What is wrong with the input pictures and masks of a plan, and what is odd about them, before anything is sent.

A picture that no decoder can read is refused by the service, or edited as far as it goes and billed. A mask says by
its transparency what is to be edited: the edit models of the services we know refuse or ignore any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from batchgen.errors import Problem
from batchgen.manifest import Manifest, Row
from batchgen.planning.inputs import Inputs
from batchgen.planning.request_factory import Call
from batchgen.request import Input
from batchgen.store.media.picture_header import PictureHeader
from batchgen.wording import counted, shown

# The feature that `datasets` makes of `input_file_names`.
_DATASET_COLUMN = "input"
_NAMED = 3


@dataclass(frozen=True, slots=True)
class InputMistake:
    """What is wrong with an input, and the first row that asks for it."""

    message: str
    row: Row


class InputSurvey:
    """Surveys the inputs of one plan: call :meth:`saw` with each request, then :meth:`decoded` and :meth:`notices`."""

    def __init__(self, manifest: Manifest, inputs: Inputs) -> None:
        self._inputs = inputs
        # Another service may know other masks, such as black ones.
        chosen = manifest.provider
        self._knows_masks = chosen.kind in {"imagerouter", "simulator"} or (
            chosen.kind == "openai" and chosen.base_url is None
        )
        self._first: dict[str, tuple[Input, Row]] = {}
        self._masks: dict[str, Row] = {}
        self._pairs: set[tuple[str, str]] = set()
        self._odd_masks: list[str] = []

    def saw(self, call: Call, row: Row) -> list[str]:
        """Return what is wrong with the inputs of a request; each is judged once, and a mask with each picture."""
        for one in (*call.image, *((call.mask,) if call.mask else ())):
            self._first.setdefault(one.digest, (one, row))
        found = list(self._mask_mistakes(call.mask, call.image, row)) if call.mask is not None else []
        if call.image and _DATASET_COLUMN in call.columns:
            found.append(f"the name '{_DATASET_COLUMN}' is taken by the pictures that are edited; rename the column")
        return found

    def decoded(self) -> Iterator[InputMistake]:
        """Yield what decoding finds wrong: with masks, and with all pictures if the plan is to be sent.

        What is known of a picture from an earlier run is told in any case.
        """
        wanted = [one for digest, (one, _) in self._first.items() if digest in self._masks or self._inputs.decodes(one)]
        for digest, found in self._inputs.decoded(wanted).items():
            one, row = self._first[digest]
            if found.problem:
                yield InputMistake(f"{shown(one.source)} {found.problem}", row)
            elif digest in self._masks and found.opaque and self._has_alpha(digest):
                message = f"the mask {shown(one.source)} is opaque all over, so that there is nothing to edit"
                advice = "make transparent what is to be edited"
                yield from (InputMistake(said, self._masks[digest]) for said in self._weighed(f"{message}; {advice}"))

    def notices(self) -> Iterator[Problem]:
        """Yield what is odd about pictures and stops nothing, once for each kind, after :meth:`decoded`."""
        kept = [(one, header) for one, _ in self._first.values() if (header := self._inputs.header(one))]
        for message, advice, is_so in _ODDITIES:
            names = [one.source for one, header in kept if is_so(header)]
            if names:
                yield Problem(f"{message.format(counted(len(names), 'picture'))}: {_listed(names)}", "", advice)
        for message in dict.fromkeys(self._odd_masks):
            yield Problem(message)

    def _mask_mistakes(self, mask: Input, pictures: Sequence[Input], row: Row) -> Iterator[str]:
        self._masks.setdefault(mask.digest, row)
        # A service holds a mask against the first of several pictures.
        first = pictures[0] if pictures else None
        pair = mask.digest, first.digest if first else ""
        if pair in self._pairs:
            return
        self._pairs.add(pair)
        name, found = shown(mask.source), self._inputs.header(mask)
        if first is None:
            yield f"the mask {name} has no picture to belong to; give `image` beside `mask`"
        if found is None:
            return
        if not found.alpha:
            advice = "save it as PNG with alpha"
            yield from self._weighed(f"the mask {name} has no transparency, which says what is to be edited; {advice}")
        of_it = self._inputs.header(first) if first else None
        if first and of_it and of_it.size != found.size:
            sizes = (
                f"{found.width}x{found.height} and its picture {shown(first.source)} is {of_it.width}x{of_it.height}"
            )
            yield from self._weighed(f"the mask {name} is {sizes}; give both one size")

    def _weighed(self, message: str) -> Iterator[str]:
        """Yield a mistake; if it may be none, keep it for the notices."""
        if self._knows_masks:
            yield message
        else:
            self._odd_masks.append(message)

    def _has_alpha(self, digest: str) -> bool:
        header = self._inputs.header(self._first[digest][0])
        return header is not None and header.alpha


def _listed(names: Sequence[str]) -> str:
    left = len(names) - _NAMED
    return ", ".join(map(shown, names[:_NAMED])) + (f" and {left:,} more" if left > 0 else "")


def _is_turned(header: PictureHeader) -> bool:
    return header.orientation != 1


def _is_cmyk(header: PictureHeader) -> bool:
    return header.cmyk


def _is_deep(header: PictureHeader) -> bool:
    return header.bits > 8


def _is_animated(header: PictureHeader) -> bool:
    return header.animated


_ODDITIES = (
    (
        "{} with an EXIF orientation, which models don't see",
        "`inputs: {orient: true}` in the manifest sends such pictures upright",
        _is_turned,
    ),
    ("{} in CMYK, which services convert or refuse", "save as RGB", _is_cmyk),
    ("{} with 16 bits a channel, of which services use 8", "", _is_deep),
    ("{} with several frames, of which services use the first", "", _is_animated),
)
