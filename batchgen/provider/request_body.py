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
    """Return the inputs of a request as JSON fields: their URLs and data URIs. For requests without local files."""
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


def has_files(request: Request) -> bool:
    """Return whether a local file has to be read to send the request."""
    return any(one.path is not None for one in _inputs(request))


def inline_bytes(request: Request) -> int:
    """Return the size of a request's URLs and data URIs in a JSON body."""
    return sum(len(one.uri or "") for one in _inputs(request))


def _inputs(request: Request) -> tuple[Input, ...]:
    return (*request.image, *((request.mask,) if request.mask else ()))


def _part(one: Input, name: str) -> tuple[str | None, bytes, str] | tuple[str | None, bytes]:
    extension = one.media_type.partition("/")[2]
    if one.path is not None:
        return (f"{name}.{extension}", _planned_bytes(one, one.path), one.media_type)
    assert one.uri is not None
    if urllib.parse.urlsplit(one.uri).scheme == "data":
        return (f"{name}.{extension}", pybase64.b64decode(one.uri.partition(",")[2], validate=True), one.media_type)
    return (None, one.uri.encode())


def _planned_bytes(one: Input, path: Path) -> bytes:
    content = path.read_bytes()
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != one.digest:
        raise OSError(f"{one.source} holds other bytes than when the run began; run again to plan with the new ones")
    return content
