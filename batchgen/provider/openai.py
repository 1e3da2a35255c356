"""Any service with OpenAI's images endpoints: OpenAI itself, LiteLLM, LocalAI, vLLM, Together and others.

Most state no cost, some state tokens: a picture's cost is then that of the manifest's ``prices:``, else of OpenAI's
price list, and called an estimate.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Self

import anyio.to_thread

from batchgen.provider.answers import read
from batchgen.provider.arrival import Arrival
from batchgen.provider.credentials import Secret
from batchgen.provider.http_client import HttpClient
from batchgen.provider.interface import Answer, Catalogue, Download, Failed, Model, Verdict
from batchgen.provider.request_body import input_parts, json_body, multipart_body
from batchgen.request import Kind, Request

BASE_URL = "https://api.openai.com/v1"
KEY_ENV = "OPENAI_API_KEY"
BASE_URL_ENV = "OPENAI_BASE_URL"


class OpenAI:
    """A :class:`~batchgen.provider.interface.Provider` for ``{base_url}/images/generations`` and ``…/edits``."""

    name = "openai"

    def __init__(self, key: Secret | None, *, base_url: str = BASE_URL, concurrency: int) -> None:
        # No byte comes until the picture is done: only the deadline of the whole call limits it.
        self._client = HttpClient(base_url, key, concurrency=concurrency)

    @property
    def base_url(self) -> str:
        return self._client.base_url

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._client.__aexit__(*exc)

    async def generate(self, request: Request, *, idempotency_key: str) -> Arrival | Failed:
        if request.kind is Kind.VIDEO:
            message = "this service's endpoints make images; for videos use imagerouter, or the provider of a plugin"
            return Failed(Verdict.REFUSED, "invalid_request", message)
        fields = {"model": request.model, **request.parameters}
        inputs = (*request.image, *((request.mask,) if request.mask else ()))
        if not inputs:
            return await self._client.post("/images/generations", json_body(fields), idempotency_key=idempotency_key)
        if not request.image:
            return Failed(Verdict.REFUSED, "invalid_request", "a mask needs an image; give one, or remove the mask")
        if any(one.digest.startswith("url:") for one in inputs):
            return Failed(Verdict.REFUSED, "invalid_request", "this service takes uploads only; give a file, not a URL")
        try:
            # Several pictures are named as a form's list, one is not: servers differ in what else they take.
            name = "image" if len(request.image) == 1 else "image[]"
            parts = await anyio.to_thread.run_sync(partial(input_parts, request, image=name, mask="mask"))
        except OSError as error:
            return Failed(Verdict.REFUSED, "input_gone", f"an input picture can't be read any more: {error}")
        return await self._client.post("/images/edits", multipart_body(fields, parts), idempotency_key=idempotency_key)

    def read(self, arrival: Arrival, *, sent: Collection[str] = ()) -> Answer:
        return read(arrival, "openai", base_url=self.base_url, sent=sent)

    async def download(self, url: str) -> Download:
        return await self._client.download(url)

    async def catalogue(self) -> Catalogue | None:
        stated = await self._client.get_json("/models")
        if not isinstance(stated, dict) or not isinstance(stated.get("data"), list):
            return None
        names = [entry.get("id") for entry in stated["data"] if isinstance(entry, dict)]
        models = {name: Model(name, "image", None) for name in names if isinstance(name, str)}
        # Proxies and local servers serve models that they don't list.
        return Catalogue(models, binding=False)

    async def balance_microusd(self) -> int | None:
        return None
