"""A checked request, made once from its plain fields; their mistakes are reported here."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast

import msgspec

from batchgen.simulator.drawing import FilmFormat, PictureFormat
from batchgen.simulator.image_tokens import SoldTokens, is_billed_by_tokens, usage
from batchgen.simulator.offered_models import OfferedModel, find_model
from batchgen.simulator.problems import invalid
from batchgen.simulator.uploads import InputPicture

ResponseFormat = Literal["url", "b64_json", "b64_ephemeral"]

MOST_INPUTS = {"image": 16, "video": 6}
MOST_TIMES = 10  # OpenAI's limit for `n`
_SIDE = range(16, 4097)
_FREE_SIDE = 1024
_FORMATS: dict[str, PictureFormat] = {"webp": "webp", "jpeg": "jpeg", "jpg": "jpeg", "png": "png"}
_QUALITIES = ("auto", "low", "medium", "high")
_RESPONSE_FORMATS = ("url", "b64_json", "b64_ephemeral")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """A request as it came: plain values by name, and the pictures sent along."""

    values: Mapping[str, object]
    images: tuple[InputPicture, ...] = ()
    masks: tuple[InputPicture, ...] = ()

    def sha256(self) -> str:
        """Return the digest of the canonical body: the same for the same fields and bytes, however they were sent."""
        pictures = {"image": [picture.sha256 for picture in self.images], "mask": [mask.sha256 for mask in self.masks]}
        canonical = msgspec.json.encode({"values": self.values, **pictures}, order="sorted")
        return hashlib.sha256(canonical).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request for pictures, complete and checked."""

    model: OfferedModel
    prompt: str
    quality: str
    width: int
    height: int
    picture_format: PictureFormat | FilmFormat
    seconds: float  # of a video; 0 for a picture
    response_format: ResponseFormat
    times: int  # how many generations the one request buys
    inputs: tuple[InputPicture, ...]
    mask: InputPicture | None
    usage: SoldTokens | None  # of a model billed by tokens
    body_sha256: str

    @property
    def pictures(self) -> int:
        return self.times * self.model.pictures

    @property
    def prompt_sha256(self) -> str:
        return hashlib.sha256(self.prompt.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """The differences between services and endpoints that take the same request."""

    prompt_limit: int
    makes: Literal["image", "video"] = "image"
    takes_n: bool = False
    gpt_image_as_openai: bool = False  # in base64 unless asked otherwise, billed by tokens


def order_from(fields: Fields, house: House) -> Order:
    """Return the order that the fields describe. Raise ``TurnedAway`` with what is wrong."""
    model = _model(fields, house)
    if len(fields.images) > MOST_INPUTS[house.makes]:
        raise invalid(f"Too many images: at most {MOST_INPUTS[house.makes]} are allowed")
    if len(fields.masks) > 1:
        raise invalid("Too many masks: only one is allowed")
    width, height = _size(fields, model)
    quality, prompt = _choice(fields, "quality", _QUALITIES, "auto"), _prompt(fields, house)
    times = _times(fields) if house.takes_n else 1
    by_tokens = house.gpt_image_as_openai and is_billed_by_tokens(model)
    asked_format = _FORMATS[_choice(fields, "output_format", tuple(_FORMATS), "webp")]
    return Order(
        model=model,
        prompt=prompt,
        quality=quality,
        width=width,
        height=height,
        picture_format=model.always or asked_format,
        seconds=_seconds(fields, model),
        response_format=_response_format(fields, model, house),
        times=times,
        inputs=fields.images,
        mask=fields.masks[0] if fields.masks else None,
        usage=usage(prompt, quality=quality, width=width, height=height, inputs=len(fields.images), times=times)
        if by_tokens
        else None,
        body_sha256=fields.sha256(),
    )


def _model(fields: Fields, house: House) -> OfferedModel:
    name = _text(fields, "model")
    if not name:
        raise invalid("'model' is a required parameter")
    model = find_model(name)
    if model is None:
        raise invalid(f"model '{name}' is not available", code="model_not_found")
    if model.makes != house.makes:
        raise invalid(f"model '{name}' makes {model.makes}s; use /v1/openai/{model.makes}s/generations")
    return model


def _seconds(fields: Fields, model: OfferedModel) -> float:
    """Return the length of a video, which a form can only send as text; a picture has none."""
    asked = fields.values.get("seconds")
    if not model.seconds:
        return 0.0
    if asked in (None, "", "auto"):
        return model.seconds[0]
    try:
        seconds = float(str(asked))
    except ValueError:
        seconds = 0.0
    if seconds not in model.seconds:
        taken = ", ".join(f"{one:g}" for one in sorted(model.seconds))
        raise invalid(f"Invalid seconds '{asked}': {model.id} takes {taken}")
    return seconds


def _prompt(fields: Fields, house: House) -> str:
    prompt = _text(fields, "prompt")
    if not prompt and not fields.images:
        raise invalid("'prompt' is a required parameter")
    if len(prompt) > house.prompt_limit:
        raise invalid(f"The prompt is too long: {len(prompt)} characters, at most {house.prompt_limit} are allowed")
    return prompt


def _size(fields: Fields, model: OfferedModel) -> tuple[int, int]:
    text = _text(fields, "size") or "auto"
    if text == "auto":
        return 1024, 1024
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text)
    if match is None:
        raise invalid(f"Invalid size '{text}': must be 'auto' or WIDTHxHEIGHT")
    width, height = int(match[1]), int(match[2])
    if model.sizes and text not in model.sizes:
        raise invalid(f"Invalid size '{text}': {model.id} takes {', '.join(model.sizes)}")
    if width not in _SIDE or height not in _SIDE:
        raise invalid(f"Invalid size '{text}': each side must be from {_SIDE[0]} to {_SIDE[-1]} pixels")
    if model.free and max(width, height) > _FREE_SIDE:
        raise invalid(f"Invalid size '{text}': free models give at most {_FREE_SIDE}x{_FREE_SIDE}")
    return width, height


def _response_format(fields: Fields, model: OfferedModel, house: House) -> ResponseFormat:
    in_base64 = house.gpt_image_as_openai and "gpt-image" in model.id
    chosen = _choice(fields, "response_format", _RESPONSE_FORMATS, "b64_json" if in_base64 else "url")
    return cast("ResponseFormat", chosen)


def _times(fields: Fields) -> int:
    asked = str(fields.values.get("n") or 1)
    if not asked.isdecimal() or not 1 <= int(asked[:4]) <= MOST_TIMES:
        raise invalid(f"Invalid n: must be from 1 to {MOST_TIMES}")
    return int(asked)


def _choice(fields: Fields, name: str, known: tuple[str, ...], default: str) -> str:
    value = _text(fields, name) or default
    if value not in known:
        raise invalid(f"Invalid {name} '{value}': must be one of {', '.join(known)}")
    return value


def _text(fields: Fields, name: str) -> str:
    value = fields.values.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise invalid(f"'{name}' must be a string")
    return value
