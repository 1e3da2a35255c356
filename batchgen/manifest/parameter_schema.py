"""The rules for parameters that a JSON Schema can state; :mod:`batchgen.manifest.values` checks the rest."""

from __future__ import annotations

from typing import Any

from batchgen.manifest.picture_references import MOST_IMAGES
from batchgen.manifest.values import ALLOWED, PARAMETERS

_TEXT: dict[str, Any] = {"type": "string", "minLength": 1}
_SIZE: dict[str, Any] = {"type": "string", "pattern": "^(auto|[1-9][0-9]{0,4}x[1-9][0-9]{0,4})$"}
_IMAGES: dict[str, Any] = {"anyOf": [_TEXT, {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": MOST_IMAGES}]}

# What an editor shows of a parameter, wherever it may stand.
DESCRIPTIONS = {
    "prompt": "What the picture shows; inside a template {name} is replaced",
    "model": "The model's name, such as openai/gpt-image-1; `batchgen models` lists them",
    "quality": "auto, low, medium or high, for models that take it",
    "size": "WIDTHxHEIGHT in pixels, or auto",
    "output_format": "The format the service is asked for",
    "response_format": "How the picture travels: as a link or in the answer itself",
    "image": "An input picture to edit, or up to 16: path, URL or data URI",
    "mask": "A picture whose transparent parts are edited: path, URL or data URI",
    "seconds": "The length of a film",
}

RULES: dict[str, dict[str, Any]] = {
    **dict.fromkeys(PARAMETERS, _TEXT),
    **{name: {"enum": list(words)} for name, words in ALLOWED.items()},
    "prompt": {"type": ["string", "number", "boolean"]},
    "size": _SIZE,
    "image": _IMAGES,
    "seconds": {"type": ["number", "string"]},
}


def settings(schema: dict[str, Any]) -> None:
    """Add the rules to the schema of a mapping of settings; in a row a value may be missing."""
    optional = {"type": "null"} in schema["additionalProperties"].get("anyOf", ())
    schema["properties"] = {
        name: {"anyOf": [rule, {"type": "null"}], **_described(name)} if optional else {**rule, **_described(name)}
        for name, rule in RULES.items()
    }


def axes(schema: dict[str, Any]) -> None:
    """Add the rules to the schema of the matrix, whose axes are lists in the first of their forms."""
    _, *others = schema["additionalProperties"]["anyOf"]
    schema["properties"] = {
        name: {"anyOf": [{"type": "array", "items": rule, "minItems": 1}, *others], **_described(name)}
        for name, rule in RULES.items()
    }


def _described(name: str) -> dict[str, str]:
    return {"description": DESCRIPTIONS[name]}
