"""ImageRouter: one API for many image and video models, priced per request.

Generations, edits and videos are one handler there, under three addresses: a video comes like a picture, in the
answer to its post, after heartbeats. Results are hosted unless base64 is asked for.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Self

import anyio.to_thread

from batchgen.money import microusd
from batchgen.provider.answers import read
from batchgen.provider.arrival import Arrival
from batchgen.provider.catalogue import read_catalogue
from batchgen.provider.credentials import Secret
from batchgen.provider.http_client import Body, HttpClient
from batchgen.provider.interface import Answer, Catalogue, Download, Failed, Verdict
from batchgen.provider.request_body import input_fields, input_parts, json_body, multipart_body, only_addresses
from batchgen.provider.service_access import Access
from batchgen.request import Kind, Request

BASE_URL = "https://api.imagerouter.io"
KEY_ENV = "IMAGEROUTER_API_KEY"
BASE_URL_ENV = "IMAGEROUTER_BASE_URL"

# The server sends a space every 3 s while it works: a longer silence is a lost connection.
_SILENCE_S = 60.0
# Other clients are given the URL with one of these paths; ours takes the host alone.
_FOREIGN_PATHS = ("/v1/openai", "/v1")


class ImageRouter:
    """A :class:`~batchgen.provider.interface.Provider` for ImageRouter and its simulator."""

    name = "imagerouter"

    def __init__(
        self, key: Secret | None, *, base_url: str = BASE_URL, concurrency: int, access: Access | None = None
    ) -> None:
        for path in _FOREIGN_PATHS:
            base_url = base_url.rstrip("/").removesuffix(path)
        self._client = HttpClient(base_url, key, concurrency=concurrency, read_timeout_s=_SILENCE_S, access=access)

    @property
    def base_url(self) -> str:
        return self._client.base_url

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.__aexit__(*exc)

    async def generate(self, request: Request, *, idempotency_key: str) -> Arrival | Failed:
        try:
            body = await _body(request)
        except OSError as error:
            return Failed(Verdict.REFUSED, "input_gone", f"an input picture can't be read any more: {error}")
        film = request.kind is Kind.VIDEO
        return await self._client.post(_path(request), body, idempotency_key=idempotency_key, film=film)

    def read(self, arrival: Arrival, *, sent: Collection[str] = ()) -> Answer:
        return read(arrival, "imagerouter", base_url=self.base_url, sent=sent)

    async def download(self, url: str) -> Download:
        return await self._client.download(url)

    async def catalogue(self) -> Catalogue | None:
        stated = await self._client.get_json("/v2/models")
        return read_catalogue(stated) if stated is not None else None

    async def balance_microusd(self) -> int | None:
        stated = await self._client.get_json("/v1/credits?by_api_key=true")
        return microusd(stated.get("remaining_credits")) if isinstance(stated, dict) else None


def _path(request: Request) -> str:
    if request.kind is Kind.VIDEO:
        return "/v1/openai/videos/generations"
    return f"/v1/openai/images/{'edits' if request.image else 'generations'}"


async def _body(request: Request) -> Body:
    fields = {"model": request.model, **request.json_parameters}
    if only_addresses(request):
        return json_body({**fields, **input_fields(request)})
    # The server of 2026-02 ignored data URIs in JSON: the edit was made and billed as if there were no picture.
    parts = await anyio.to_thread.run_sync(partial(input_parts, request, image="image[]", mask="mask[]"))
    return multipart_body({"model": request.model, **request.parameters}, parts)
