"""The body of a request, JSON or form, becomes ``Fields``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from batchgen.simulator.orders import Fields
from batchgen.simulator.problems import TurnedAway, UnreadableBody, invalid
from batchgen.simulator.uploads import InputPicture, named, uploaded

# The limit of the service's body parser; larger data URIs have to be sent as a form.
JSON_LIMIT_BYTES = 100 * 1024
_FORM_FIELD_LIMIT_BYTES = 40 * 1024 * 1024
_IMAGE_NAMES = ("image", "image[]")
_MASK_NAMES = ("mask", "mask[]")
_PICTURE_NAMES = (*_IMAGE_NAMES, *_MASK_NAMES)


async def read_fields(request: Request, json_limit_bytes: int | None) -> Fields:
    """Return the request's fields. Raise ``TurnedAway``, and ``UnreadableBody`` for JSON above the limit."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in {"multipart/form-data", "application/x-www-form-urlencoded"}:
        return await _form_fields(request)
    body = await request.body()
    if json_limit_bytes is not None and len(body) > json_limit_bytes:
        raise UnreadableBody
    return _json_fields(body)


def _json_fields(body: bytes) -> Fields:
    try:
        values = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise TurnedAway(500, "internal_error", f"The body is not valid JSON: {error}") from None
    if not isinstance(values, dict):
        raise invalid("The body must be a JSON object")
    return Fields(
        values={name: value for name, value in values.items() if name not in _PICTURE_NAMES},
        images=tuple(named(text) for text in _listed(values, _IMAGE_NAMES)),
        masks=tuple(named(text) for text in _listed(values, _MASK_NAMES)),
    )


def _listed(values: dict[str, Any], names: Iterable[str]) -> list[Any]:
    found: list[Any] = []
    for name in names:
        value = values.get(name)
        found.extend(value if isinstance(value, list) else [] if value is None else [value])
    return found


async def _form_fields(request: Request) -> Fields:
    try:
        async with request.form(max_part_size=_FORM_FIELD_LIMIT_BYTES) as form:
            return Fields(
                values={name: value for name, value in form.multi_items() if _is_plain(name, value)},
                images=await _pictures(form, _IMAGE_NAMES),
                masks=await _pictures(form, _MASK_NAMES),
            )
    except HTTPException as error:
        raise invalid(error.detail) from None


def _is_plain(name: str, value: UploadFile | str) -> bool:
    return isinstance(value, str) and name not in _PICTURE_NAMES


async def _pictures(form: FormData, names: Iterable[str]) -> tuple[InputPicture, ...]:
    found = [value for name in names for value in form.getlist(name)]
    return tuple([await _picture(value) for value in found])


async def _picture(value: UploadFile | str) -> InputPicture:
    return named(value) if isinstance(value, str) else uploaded(await value.read())
