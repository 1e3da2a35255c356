"""Odd places of a result: what other services' answers look like, one line each.

In a template ``$url`` becomes the picture's address, ``$b64`` its base64, ``$data_uri`` its data URI, ``$mime`` its
type, ``$id`` and ``$job`` the name and the address of a job. The outermost list that holds one of them is written once
for each picture.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pybase64

# A picture that an answer repeats from the question: it was sent, not bought.
ASKED_PICTURE = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA7"

PLACES: Mapping[str, Mapping[str, Any]] = {
    "images": {"images": [{"url": "$url"}], "timings": {"inference": 1.2}, "seed": 1},
    "images_b64": {"images": ["$b64"]},
    "image": {"image": "$b64", "info": "{}"},
    "image_object": {"image": {"url": "$url", "content_type": "$mime"}},
    "data_object": {"data": {"b64_json": "$b64"}},
    "data_strings": {"data": ["$url"]},
    "data_b64": {"data": [{"b64": "$b64"}]},
    "data_base64": {"data": [{"base64": "$b64"}]},
    "data_uri": {"data": [{"uri": "$url"}]},
    "data_image_url": {"data": [{"image_url": {"url": "$data_uri"}}]},
    "url_is_data_uri": {"data": [{"url": "$data_uri"}]},
    "url_null": {"data": [{"url": None, "b64_json": "$b64"}]},
    "url_empty": {"data": [{"url": "", "b64_json": "$b64"}]},
    "output": {"id": "x", "status": "succeeded", "error": None, "output": ["$url"]},
    "output_string": {"id": "x", "status": "succeeded", "output": "$url"},
    "output_results": {
        "output": {"task_status": "SUCCEEDED", "results": [{"url": "$url"}]},
        "usage": {"image_count": 1},
    },
    "outputs": {"outputs": [{"image_url": "$url", "seed": 1}]},
    "responses": {"output": [{"type": "image_generation_call", "status": "completed", "result": "$b64"}]},
    "result": {"result": {"image": "$b64"}, "success": True, "errors": []},
    "result_sample": {"id": "x", "status": "Ready", "result": {"sample": "$url", "seed": 1}},
    "results": {"results": [{"url": "$url"}]},
    "artifacts": {"artifacts": [{"base64": "$b64", "finishReason": "SUCCESS", "seed": 1}]},
    "predictions": {"predictions": [{"bytesBase64Encoded": "$b64", "mimeType": "$mime"}]},
    "candidates": {
        "candidates": [
            {
                "content": {
                    "role": "model",
                    "parts": [{"text": "Here you are."}, {"inlineData": {"mimeType": "$mime", "data": "$b64"}}],
                },
                "finishReason": "STOP",
            }
        ]
    },
    "choices": {
        "choices": [
            {
                "message": {
                    "role": "assistant",
                    "content": "",
                    "images": [{"type": "image_url", "image_url": {"url": "$data_uri"}}],
                }
            }
        ]
    },
    "choices_parts": {
        "choices": [{"message": {"content": [{"type": "image_url", "image_url": {"url": "$data_uri"}}]}}],
    },
    "error_beside": {"data": [{"b64_json": "$b64"}], "error": {"message": "one of two images was filtered"}},
    "mixed": {"data": [{"error": {"code": "content_filter"}}, {"b64_json": "$b64"}]},
    "nested": {"response": {"body": {"data": {"images": [{"image": {"url": "$url"}}]}}}},
    "question_beside": {
        "request": {
            "prompt": "https://example.com/asked.png",
            "image": "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA7",
        },
        "data": [{"b64_json": "$b64"}],
    },
    "job": {"id": "$id", "status": "queued", "status_url": "$job"},
}

BASE64: Mapping[str, Callable[[str], str]] = {
    "lines": lambda text: "\n".join(textwrap.wrap(text, 76)) + "\n",
    "unpadded": lambda text: text.rstrip("="),
    "url_safe": lambda text: text.replace("+", "-").replace("/", "_"),
    "url_safe_unpadded": lambda text: text.replace("+", "-").replace("/", "_").rstrip("="),
    "data_uri": lambda text: f"data:image/png;base64,{text}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """The addresses an answer may name: of the hosted pictures, and of the API as its caller calls it."""

    pictures_url: str
    api_url: str


# How an answer names the hosted file of that name.
LINKS: Mapping[str, str] = {
    "relative": "/pictures/{name}",
    "relative_no_slash": "pictures/{name}",
    "no_scheme": "//{pictures_host}/{name}",
    "same_host": "{api_url}/pictures/{name}",
    "unquoted": "{pictures_url}/a b é/{name}",
    "signed": "{pictures_url}/{name}?X-Amz-Expires=60&X-Amz-Signature=0123456789abcdef",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedFile:
    """One picture as an answer can name it."""

    id: str
    url: str
    b64: str
    mime: str
    job: str


def file_named(name: str, data: bytes, mime: str, hosts: Hosts, *, base64_variant: str, link: str) -> HostedFile:
    """Return the picture with its base64 and its address as a fault wants them."""
    text = pybase64.b64encode_as_string(data)
    return HostedFile(
        id=name,
        url=LINKS.get(link, "{pictures_url}/{name}").format(
            name=name,
            api_url=hosts.api_url,
            pictures_url=hosts.pictures_url,
            pictures_host=hosts.pictures_url.removeprefix("http://"),
        ),
        b64=BASE64[base64_variant](text) if base64_variant else text,
        mime=mime,
        job=f"{hosts.api_url}/v1/jobs/{name}",
    )


def filled(template: Any, pictures: Sequence[HostedFile]) -> Any:
    """Return the template with the pictures in it, all of them if it has a list for them."""
    match template:
        case list() if _asks(template):
            return [_of_one(entry, picture) for picture in pictures for entry in template]
        case dict():
            return {name: filled(value, pictures) for name, value in template.items()}
        case _:
            return _of_one(template, pictures[0])


def _asks(template: Any) -> bool:
    match template:
        case list():
            return any(map(_asks, template))
        case dict():
            return any(map(_asks, template.values()))
        case _:
            return isinstance(template, str) and template.startswith("$")


def _of_one(template: Any, picture: HostedFile) -> Any:
    match template:
        case list():
            return [_of_one(entry, picture) for entry in template]
        case dict():
            return {name: _of_one(value, picture) for name, value in template.items()}
        case "$url":
            return picture.url
        case "$b64":
            return picture.b64
        case "$data_uri":
            return f"data:{picture.mime};base64,{picture.b64.removeprefix('data:image/png;base64,')}"
        case "$mime":
            return picture.mime
        case "$id":
            return picture.id
        case "$job":
            return picture.job
        case _:
            return template
