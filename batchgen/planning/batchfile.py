"""A plan as an OpenAI Batch file: one line of JSON for each request, which `batchgen` reads again to the same keys.

A repeated request is one line with its count as ``n``; an equal one that was written before is left out. Input pictures
are inside the line, as data URIs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec
import pybase64

from batchgen.errors import UsageError
from batchgen.planning.compact_set import CompactSet
from batchgen.request import Input, Kind, Request

_encode = msgspec.json.Encoder().encode


def write_batch_file(requests: Iterable[Request], path: Path) -> int:
    """Write the lines of ``requests``, in the plan's order, to ``path``, and return how many there are.

    Raise :class:`UsageError`, without a file, if ``path`` exists, can't be written, or a request is no image's.
    """
    if path.exists():
        raise UsageError(f"{path} exists already; nothing was written")
    beside = path.with_name(f".{path.name}.part")
    count = 0
    try:
        with beside.open("wb") as file:
            for line in batch_lines(requests):
                file.write(line)
                count += 1
        beside.replace(path)
    except OSError as error:
        raise UsageError(f"{path} can't be written: {error.strerror}") from None
    finally:
        beside.unlink(missing_ok=True)
    return count


def batch_lines(requests: Iterable[Request]) -> Iterator[bytes]:
    """Yield a line for each row and combination, named by the row's own ``custom_id`` if no other line has it.

    Else it is named by the key of its last repeat, which no other line has.
    """
    seen = CompactSet()
    taken: set[str] = set()
    for run in _runs(requests):
        if sum(seen.add(request.key) for request in run):
            own = run[0].columns.get("custom_id", "")
            custom_id = own if own and own not in taken else run[-1].key
            taken.add(own)
            yield _encode(_line(run[0], len(run), custom_id)) + b"\n"


def _runs(requests: Iterable[Request]) -> Iterator[list[Request]]:
    """Yield the requests that differ in their repeat number only, and so stand together in a plan."""
    run: list[Request] = []
    for request in requests:
        if request.repeat == 1 and run:
            yield run
            run = []
        run.append(request)
    if run:
        yield run


def _line(request: Request, count: int, custom_id: str) -> Mapping[str, object]:
    if request.kind is not Kind.IMAGE:
        raise UsageError(
            f"row {request.row}: a batch file is for images, and {request.model} makes a {request.kind} here"
        )
    body: dict[str, object] = {"model": request.model, **request.json_parameters}
    if request.image:
        body["image"] = [_uri(one) for one in request.image]
    if request.mask is not None:
        body["mask"] = _uri(request.mask)
    if count > 1:
        body["n"] = count
    url = "/v1/images/edits" if request.image else "/v1/images/generations"
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def _uri(picture: Input) -> str:
    if picture.path is None:
        assert picture.uri is not None
        return picture.uri
    content = picture.path.read_bytes()
    return f"data:{picture.media_type};base64,{pybase64.b64encode(content).decode('ascii')}"
