"""Any service with OpenAI's images endpoints: OpenAI itself, LiteLLM, LocalAI, vLLM, Together and others.

Most state no cost, some state tokens: a picture's cost is then that of the manifest's ``prices:``, else of OpenAI's
price list, and called an estimate.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Self

import anyio.to_thread

from batchgen.provider.answers import read
from batchgen.provider.arrival import Arrival
from batchgen.provider.credentials import Secret
from batchgen.provider.http_client import Body, HttpClient
from batchgen.provider.interface import Answer, Catalogue, Download, Failed, Model, Verdict
from batchgen.provider.request_body import any_address, input_parts, json_body, multipart_body, uri_of
from batchgen.provider.service_access import Access
from batchgen.request import Kind, Request

BASE_URL = "https://api.openai.com/v1"
KEY_ENV = "OPENAI_API_KEY"
BASE_URL_ENV = "OPENAI_BASE_URL"


class OpenAI:
    """A :class:`~batchgen.provider.interface.Provider` for ``{base_url}/images/generations`` and ``…/edits``."""

    name = "openai"

    def __init__(
        self, key: Secret | None, *, base_url: str = BASE_URL, concurrency: int, access: Access | None = None
    ) -> None:
        # No byte comes until the picture is done: only the deadline of the whole call limits it.
        self._client = HttpClient(base_url, key, concurrency=concurrency, access=access)

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
        if not request.image and request.mask is None:
            body = json_body({"model": request.model, **request.json_parameters})
            return await self._client.post("/images/generations", body, idempotency_key=idempotency_key)
        if not request.image:
            return Failed(Verdict.REFUSED, "invalid_request", "a mask needs an image; give one, or remove the mask")
        try:
            body = await anyio.to_thread.run_sync(_edit_body, request)
        except OSError as error:
            return Failed(Verdict.REFUSED, "input_gone", f"an input picture can't be read any more: {error}")
        return await self._client.post("/images/edits", body, idempotency_key=idempotency_key)

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


def _edit_body(request: Request) -> Body:
    """Return the body of an edit: uploads, or, if a picture is only known by its address, OpenAI's JSON form."""
    if any_address(request):
        references = [{"image_url": uri_of(one)} for one in request.image]
        fields: dict[str, object] = {"model": request.model, **request.json_parameters, "images": references}
        if request.mask is not None:
            fields["mask"] = {"image_url": uri_of(request.mask)}
        return json_body(fields)
    # Several pictures are named as a form's list, one is not: servers differ in what else they take.
    name = "image" if len(request.image) == 1 else "image[]"
    fields_of_form = {"model": request.model, **request.parameters}
    return multipart_body(fields_of_form, input_parts(request, image=name, mask="mask"))
