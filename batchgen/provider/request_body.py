"""A request as the body of a post: JSON if possible, multipart if it uploads pictures."""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import httpx
import msgspec
import pybase64

from batchgen.provider.http_client import Body
from batchgen.request import Input, Request

_Part = tuple[str, tuple[str | None, bytes, str] | tuple[str | None, bytes]]


def json_body(fields: Mapping[str, object]) -> Body:
    """Return the fields as a JSON body."""
    return Body(msgspec.json.encode(fields), "application/json")


def multipart_body(fields: Mapping[str, str], parts: list[_Part]) -> Body:
    """Return a form of plain ``fields`` and file ``parts``, whole in memory; nothing is read from disk.

    Equal forms are equal bytes: an answer that repeats another one is told by what was sent for it.
    """
    digest = hashlib.blake2b(msgspec.json.encode(fields), digest_size=16)
    for _, (_, content, *_) in parts:
        digest.update(content)
    media_type = f"multipart/form-data; boundary={digest.hexdigest()}"
    headers = {"content-type": media_type}
    request = httpx.Request("POST", "http://form", headers=headers, data=dict(fields), files=parts)
    return Body(request.read(), media_type)


def input_fields(request: Request) -> dict[str, object]:
    """Return the inputs of a request as JSON fields. For requests whose inputs are :func:`only_addresses`."""
    fields: dict[str, object] = {}
    if request.image:
        fields["image"] = [one.uri for one in request.image]
    if request.mask is not None:
        fields["mask"] = [request.mask.uri]
    return fields


def input_parts(request: Request, *, image: str, mask: str) -> list[_Part]:
    """Return the inputs of a request as form parts named ``image`` and ``mask``. Reads files: not for the event loop.

    Raise :class:`OSError` if a file is gone since it was planned, or holds other bytes: its picture would be recorded
    under another request's key.
    """
    parts = [(image, _part(one, f"image-{number}")) for number, one in enumerate(request.image, 1)]
    if request.mask is not None:
        parts.append((mask, _part(request.mask, "mask")))
    return parts


def any_address(request: Request) -> bool:
    """Return whether a picture or the mask is given as an address, which only the service fetches."""
    return any(_is_address(one) for one in _inputs(request))


def only_addresses(request: Request) -> bool:
    """Return whether every picture and the mask are given as addresses, so that nothing has to be uploaded."""
    return all(_is_address(one) for one in _inputs(request))


def uri_of(one: Input) -> str:
    """Return an input as an address or a data URI. Reads files: not for the event loop.

    Raise :class:`OSError` as :func:`input_parts` does.
    """
    if one.path is None:
        assert one.uri is not None
        return one.uri
    return f"data:{one.media_type};base64,{pybase64.b64encode(_planned_bytes(one, one.path)).decode('ascii')}"


def _is_address(one: Input) -> bool:
    return one.path is None and urllib.parse.urlsplit(one.uri or "").scheme != "data"


def _inputs(request: Request) -> tuple[Input, ...]:
    return (*request.image, *((request.mask,) if request.mask else ()))


def _part(one: Input, name: str) -> tuple[str | None, bytes, str] | tuple[str | None, bytes]:
    extension = one.media_type.partition("/")[2]
    if one.path is not None:
        return (f"{name}.{extension}", _planned_bytes(one, one.path), one.media_type)
    assert one.uri is not None
    if not _is_address(one):
        return (f"{name}.{extension}", pybase64.b64decode(one.uri.partition(",")[2], validate=True), one.media_type)
    return (None, one.uri.encode())


def _planned_bytes(one: Input, path: Path) -> bytes:
    content = path.read_bytes()
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != one.digest:
        raise OSError(f"{one.source} holds other bytes than when the run began; run again to plan with the new ones")
    return content
