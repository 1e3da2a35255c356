"""The small endpoints: catalogue, credits, a check of the key, and the simulator's own controls."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from batchgen.simulator.access import key_name
from batchgen.simulator.listings import as_array, as_object, as_v1, chosen
from batchgen.simulator.offered_models import MODELS, find_model
from batchgen.simulator.problems import TurnedAway
from batchgen.simulator.service import SimulatedService
from batchgen.simulator.settings import BadSettings, faults_from_json


class Pages:
    """The endpoints that generate nothing."""

    def __init__(self, service: SimulatedService) -> None:
        self._service = service
        self._since = datetime.now(UTC).isoformat(timespec="seconds")

    def routes(self) -> list[Route]:
        """Return the routes of all these endpoints."""
        return [
            Route("/v2/models", self._models),
            Route("/v1/models", self._older_models),
            Route("/v1/models/{model:path}", self._older_model),
            Route("/v1/credits", self._credits),
            Route("/v1/jobs/{name}", self._job),
            Route("/v1/auth/test", self._auth_test, methods=["POST"]),
            Route("/_simulator/health", self._health),
            Route("/_simulator/billing", self._billing),
            Route("/_simulator/faults", self._faults),
            Route("/_simulator/faults", self._replace_faults, methods=["POST"]),
        ]

    async def _models(self, request: Request) -> Response:
        models = chosen(request.query_params)
        shape = request.query_params.get("shape", self._service.settings.catalogue_shape)
        return _json(as_array(models) if shape == "array" else as_object(models))

    async def _older_models(self, _: Request) -> Response:
        return _json({model.id: as_v1(model) for model in MODELS})

    async def _older_model(self, request: Request) -> Response:
        model = find_model(request.path_params["model"])
        if model is None:
            return _error(404, "model_not_found", f"Model '{request.path_params['model']}' not found")
        return _json(as_v1(model))

    async def _credits(self, request: Request) -> Response:
        try:
            key_name(request, self._service.settings.required_key)
        except TurnedAway as away:
            return _error(away.status, away.kind, away.message)
        sales = self._service.sales
        answer: dict[str, Any] = {
            "remaining_credits": _credits(sales.available_microusd),
            "credit_usage": _credits(sales.ledger.charged_microusd),
            "total_deposits": _credits(sales.deposit_microusd),
        }
        if request.query_params.get("by_api_key") == "true":
            answer["usage_by_api_key"] = self._usage_by_key()
        return _json(answer)

    def _usage_by_key(self) -> list[dict[str, Any]]:
        ledger = self._service.sales.ledger
        return [
            {
                "api_key_id": name,
                "api_key_name": name,
                "credit_usage": _credits(ledger.charged_by_key[name]),
                "total_requests": requests,
                "created_at": self._since,
                "is_active": True,
            }
            for name, requests in sorted(ledger.requests_by_key.items())
        ]

    async def _auth_test(self, request: Request) -> Response:
        try:
            key_name(request, self._service.settings.required_key)
        except TurnedAway as away:
            return _error(away.status, away.kind, away.message)
        return _json({"success": True, "credits": _credits(self._service.sales.available_microusd)})

    async def _job(self, request: Request) -> Response:
        """The job that an ``odd_answer`` in the place ``job`` names: it is finished when it is asked for."""
        try:
            key_name(request, self._service.settings.required_key)
        except TurnedAway as away:
            return _error(away.status, away.kind, away.message)
        name = request.path_params["name"]
        if self._service.pictures.find(name.partition(".")[0]) is None:
            return _error(404, "not_found", "No such job")
        return _json({"id": name, "status": "succeeded", "output": [f"{self._service.pictures_url}/{name}"]})

    async def _health(self, _: Request) -> Response:
        return _json({"healthy": True, "in_flight": self._service.sales.in_flight})

    async def _billing(self, _: Request) -> Response:
        sales = self._service.sales
        counts = sales.ledger.counts()
        return _json(
            {
                "received": self._service.received,
                "accepted": counts["billed"] + counts["refunded"] + sales.in_flight,
                "in_flight": sales.in_flight,
                "peak_in_flight": sales.peak_in_flight,
                "available_microusd": sales.available_microusd,
                **counts,
            }
        )

    async def _faults(self, _: Request) -> Response:
        return _json({"faults": self._service.faults.active})

    async def _replace_faults(self, request: Request) -> Response:
        try:
            self._service.faults.replace(faults_from_json(await request.body()))
        except BadSettings as error:
            return _error(400, "invalid_request_error", str(error))
        return await self._faults(request)


def _json(answer: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(answer), status, media_type="application/json")


def _error(status: int, kind: str, message: str) -> Response:
    return _json({"error": {"message": message, "type": kind}}, status)


def _credits(amount_microusd: int) -> str:
    return f"{amount_microusd / 1_000_000:.4f}"
