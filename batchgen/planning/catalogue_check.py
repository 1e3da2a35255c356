"""A request checked against its model's entry in the catalogue, before anything is sent.

What the service would refuse is an error if the catalogue is binding; what it would ignore, and whatever an older or
incomplete catalogue says, is a warning: missing knowledge never stops a run that would work.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from batchgen.provider.interface import Catalogue, Model
from batchgen.request import Kind
from batchgen.wording import shown

# The service's documented limits: a free model gives at most 1024x1024, and fifty pictures a day to an account with
# credits; a video model takes six uploads and uses one.
FREE_SUFFIX = ":free"
FREE_SIDE = 1024
FREE_A_DAY = 50
MOST_VIDEO_INPUTS = 6

# Rows repeat the same questions; more different ones than this are checked anew.
_MOST_KNOWN = 10_000
_SHOWN_VALUES = 8
_MADE = {"image": "pictures", "video": "films"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What one request asks of a model, as far as a catalogue covers it; ``None`` if it leaves the choice."""

    model: str
    kind: Kind = Kind.IMAGE
    size: str | None = None
    quality: str | None = None
    seconds: str | None = None
    images: int = 0
    mask: bool = False


@dataclass(frozen=True, slots=True)
class Objection:
    """A contradiction of request and catalogue; ``refused`` if the service would refuse the request.

    ``about`` is the parameter that contradicts what the catalogue says of the model.
    """

    message: str
    refused: bool
    about: str


class CatalogueCheck:
    """The check of one plan against a service's catalogue. A model that ``priced`` names may be missing from it."""

    def __init__(self, catalogue: Catalogue | None, *, provider: str, priced: Collection[str] = ()) -> None:
        self._catalogue = catalogue if catalogue is not None else Catalogue({}, binding=False)
        self._provider = provider
        self._priced = frozenset(priced)
        self._known: dict[Asked, tuple[Objection, ...]] = {}

    def resolved(self, name: str) -> str:
        """Return the identifier of the model that ``name``, perhaps an alias, stands for."""
        model = self._catalogue.find(name)
        return model.id if model else name

    def kind(self, name: str, *, says_seconds: bool = False) -> Kind:
        """Return what the model makes by the catalogue; if that has no such model, films for requests with a length."""
        model = self._catalogue.find(name)
        films = says_seconds if model is None else model.kind == Kind.VIDEO
        return Kind.VIDEO if films else Kind.IMAGE

    def objections(self, asked: Asked) -> tuple[Objection, ...]:
        """Return every contradiction of the request and the catalogue."""
        known = self._known.get(asked)
        if known is None:
            known = tuple(self._objections(asked))
            if len(self._known) < _MOST_KNOWN:
                self._known[asked] = known
        return known

    def _objections(self, asked: Asked) -> Iterator[Objection]:
        model = self._catalogue.find(asked.model)
        binding = self._catalogue.binding
        if model is not None:
            for about, refusal in _refusals(model, asked):
                yield Objection(refusal, refused=binding, about=about)
            for about, warning in _warnings(model, asked):
                yield Objection(warning, refused=False, about=about)
        elif asked.model not in self._priced and self._catalogue.models:
            # A list of picture models alone says nothing of films.
            lists_kind = any(one.kind == asked.kind for one in self._catalogue.models.values())
            yield from self._unknown(asked.model, binding=binding and lists_kind)

    def _unknown(self, name: str, *, binding: bool) -> Iterator[Objection]:
        near = near_names(name, self._catalogue.names)
        meant = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        message = f"model {shown(name)} is not in the catalogue of {self._provider}{meant}"
        if binding:
            hint = "" if near else "; `batchgen models` lists it"
            yield Objection(
                f"{message}{hint} (a model with a price under `prices:` is taken as it is)", refused=True, about="model"
            )
        elif near:
            # Self-hosted servers serve models that they don't list: only a likely typing error is worth a warning.
            yield Objection(message, refused=False, about="model")


def near_names(name: str, known: Collection[str], *, most: int = 3) -> tuple[str, ...]:
    """Return up to ``most`` known names similar to ``name``; case and the maker before the slash weigh little."""
    by_form: dict[str, list[str]] = {}
    for one in known:
        for form in {one.lower(), one.lower().rpartition("/")[2]}:
            by_form.setdefault(form, []).append(one)
    wanted = name.lower()
    forms = [
        *difflib.get_close_matches(wanted, by_form, n=most, cutoff=0.6),
        *difflib.get_close_matches(wanted.rpartition("/")[2], by_form, n=most, cutoff=0.75),
    ]
    return tuple(dict.fromkeys(one for form in forms for one in by_form[form]))[:most]


def _refusals(model: Model, asked: Asked) -> Iterator[tuple[str, str]]:
    if model.kind in _MADE and model.kind != asked.kind:
        yield "model", f"{model.id} makes {_MADE[model.kind]}, and `kind: {asked.kind}` asks for {_MADE[asked.kind]}"
    if asked.images and not model.takes_image:
        yield "image", f"{model.id} takes no `image`: it makes pictures from words alone"
    if asked.mask and not model.takes_mask:
        yield "mask", f"{model.id} takes no `mask`"
    if model.kind == Kind.VIDEO and asked.images > MOST_VIDEO_INPUTS:
        yield "image", f"{model.id} makes films and takes {MOST_VIDEO_INPUTS} pictures at most, found {asked.images}"
    if asked.size not in {None, "auto", *model.sizes} and model.sizes:
        yield (
            "size",
            f"{model.id} takes no `size` {asked.size}; it takes {_listed(model.sizes)}{_nearest(asked, model)}",
        )
    if asked.seconds not in {None, "auto", *model.seconds} and model.seconds:
        yield "seconds", f"{model.id} makes no film of {asked.seconds} seconds; it takes {_listed(model.seconds)}"
    if not model.sizes and _too_large_to_be_free(model, asked):
        yield "size", f"{model.id} is free and gives at most {FREE_SIDE}x{FREE_SIDE}, found {asked.size}"


def _warnings(model: Model, asked: Asked) -> Iterator[tuple[str, str]]:
    if asked.quality not in {None, "auto"} and not model.takes_quality:
        yield (
            "quality",
            f"{model.id} takes no `quality`: every value gives the same kind of picture, and each is paid for",
        )
    if asked.seconds is not None and model.kind != Kind.VIDEO:
        yield "seconds", f"{model.id} makes pictures: `seconds` is for films"
    if model.kind == Kind.VIDEO and 1 < asked.images <= MOST_VIDEO_INPUTS:
        yield "image", f"{model.id} uses one of the {asked.images} pictures it is given"
    if asked.size in model.sizes and _too_large_to_be_free(model, asked):
        yield "size", f"{model.id} is free, and free models are documented to give at most {FREE_SIDE}x{FREE_SIDE}"


def _too_large_to_be_free(model: Model, asked: Asked) -> bool:
    sides = _sides(asked.size)
    return model.id.endswith(FREE_SUFFIX) and sides is not None and max(sides) > FREE_SIDE


def _listed(values: Collection[str]) -> str:
    first = list(values)[:_SHOWN_VALUES]
    left = len(values) - len(first)
    return ", ".join(first) + (f" and {left} more" if left else "")


def _nearest(asked: Asked, model: Model) -> str:
    """Return the size closest in shape, and of those the one closest in area."""
    wanted = _sides(asked.size)
    sizes = [(size, sides) for size in model.sizes if (sides := _sides(size))]
    if wanted is None or not sizes:
        return ""

    def distance(sides: tuple[int, int]) -> tuple[float, float]:
        shape = math.log(sides[0] / sides[1]) - math.log(wanted[0] / wanted[1])
        return round(abs(shape), 2), abs(math.log(sides[0] * sides[1]) - math.log(wanted[0] * wanted[1]))

    nearest, _ = min(sizes, key=lambda size: distance(size[1]))
    return f"; {nearest} is the nearest"


def _sides(size: str | None) -> tuple[int, int] | None:
    width, _, height = (size or "").partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        return None
    return int(width), int(height)
