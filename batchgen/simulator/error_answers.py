"""What other services and gateways answer instead of a picture, word for word: one line each.

``billed`` is what happens on the real service: whether the generation is paid for although this is all that comes.
In a body ``$model``, ``$cost`` (as charged), ``$wait`` (seconds), ``$wait_ms``, ``$resets_at`` and ``$http_date`` are
filled in.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from string import Template
from typing import Any

import msgspec

from batchgen.simulator.answer_places import ASKED_PICTURE

_JSON = "application/json; charset=utf-8"
_COST = msgspec.Raw(b"$cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorAnswer:
    """One answer: its status, its body (JSON, or a text as it stands), and whether it was paid for."""

    status: int
    body: Any
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    billed: bool = False


def error_answer(name: str, *, model: str, wait: str, cost_usd: float) -> tuple[dict[str, str], bytes]:
    """Return headers and body of that answer, for a request to that model and a wait of so many seconds."""
    said = ERRORS[name]
    seconds = float(wait) if wait.replace(".", "", 1).isdecimal() else 1.0
    ends = time.time() + seconds
    words = {
        "model": model,
        "cost": f"{cost_usd:g}",
        "wait": wait,
        "wait_ms": f"{seconds * 1000:.0f}",
        "resets_at": datetime.fromtimestamp(ends, UTC).isoformat(timespec="seconds"),
        "http_date": formatdate(ends, usegmt=True),
    }
    text = said.body if isinstance(said.body, str) else msgspec.json.encode(said.body).decode()
    headers = {key: Template(value).safe_substitute(words) for key, value in said.headers.items()}
    return {**headers, "Content-Type": said.content_type}, Template(text).safe_substitute(words).encode()


def _error(message: str, kind: str | None = None, code: str | int | None = None, **more: object) -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code, **more}}


def _page(title: str, words: str = "") -> str:
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1><p>{words}</p></body></html>"


def _json(status: int, body: Any, *, billed: bool = False) -> ErrorAnswer:
    return ErrorAnswer(status=status, body=body, billed=billed)


_MODERATION: Mapping[str, ErrorAnswer] = {
    "moderation_openai": _json(
        400,
        _error(
            "Your request was rejected by the safety system. safety_violations=[violence].",
            "image_generation_user_error",
            "moderation_blocked",
        ),
    ),
    "moderation_azure": _json(
        400,
        {
            "error": {
                "code": "contentFilter",
                "message": "Your task failed as a result of our safety system.",
                "inner_error": {"code": "ResponsibleAIPolicyViolation"},
            }
        },
    ),
    "moderation_azure_results": _json(
        200,
        {
            "data": [
                {
                    "content_filter_results": {"violence": {"filtered": True, "severity": "high"}},
                    "prompt_filter_results": {},
                }
            ]
        },
        billed=True,
    ),
    "moderation_xai": _json(
        400,
        {
            "code": "Client specified an invalid argument",
            "error": "Generated image rejected by content moderation.",
        },
    ),
    "moderation_xai_403": _json(
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Content violates usage guidelines.",
        },
    ),
    "moderation_gemini": _json(
        200,
        {
            "candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": "Unable to show the generated image."}],
            "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
        },
    ),
    "moderation_gemini_prompt": _json(200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
    "moderation_detail": _json(400, {"detail": "Prompt rejected by the content policy"}),
    "moderation_error_text": _json(200, {"error": "NSFW content detected"}, billed=True),
    "moderation_message": _json(200, {"success": False, "message": "prompt flagged by moderation"}, billed=True),
    "moderation_text": _json(200, {"data": [{"text": "I'm sorry, I can't create that image."}]}, billed=True),
    "moderation_finish_reason": _json(
        200, {"artifacts": [{"base64": "", "finishReason": "CONTENT_FILTERED", "seed": 1}]}, billed=True
    ),
    "moderation_chat": _json(
        200,
        {"choices": [{"message": {"content": None, "refusal": "I can't help with that."}, "finish_reason": "stop"}]},
        billed=True,
    ),
    "moderation_cost": _json(200, {"error": {"message": "flagged by moderation"}, "cost": _COST}, billed=True),
    "moderation_500": _json(500, _error("The image was blocked by our safety filters.", "server_error")),
    "moderation_litellm_500": _json(
        500, _error("litellm.ContentPolicyViolationError: OpenAIException - rejected by the safety system", None, "500")
    ),
}

_NOTHING: Mapping[str, ErrorAnswer] = {
    "nothing_empty": _json(200, {"created": 1, "data": []}, billed=True),
    "nothing_null": _json(200, {"created": 1, "data": None}, billed=True),
    "nothing_revised_prompt": _json(200, {"data": [{"revised_prompt": "a safer prompt"}]}, billed=True),
    "nothing_unknown": _json(200, {"status": "ok", "took_ms": 12, "artifact_ref": "x-17"}, billed=True),
    "nothing_question": _json(
        200,
        {
            "request": {"model": "$model", "image": ASKED_PICTURE},
            "prompt": "https://example.com/asked.png",
            "data": [],
        },
        billed=True,
    ),
    "nothing_blank": ErrorAnswer(status=200, body="", billed=True),
    "nothing_page": ErrorAnswer(status=200, body=_page("Sign in"), content_type="text/html"),
}

_ACCOUNT: Mapping[str, ErrorAnswer] = {
    "key_openai": _json(401, _error("Incorrect API key provided.", "invalid_request_error", "invalid_api_key")),
    "key_gemini": _json(
        400,
        {
            "error": {
                "code": 400,
                "message": "API key not valid. Please pass a valid one.",
                "status": "INVALID_ARGUMENT",
            }
        },
    ),
    "organization_openai": _json(
        403, _error("Your organization must be verified to use the model `$model`.", "invalid_request_error")
    ),
    "quota_openai": _json(
        429,
        _error(
            "You exceeded your current quota, please check your plan and billing details.",
            "insufficient_quota",
            "insufficient_quota",
        ),
    ),
    "billing_openai_limit": _json(
        400,
        _error("Billing hard limit has been reached", "image_generation_user_error", "billing_hard_limit_reached"),
    ),
    "billing_openai_inactive": _json(
        403,
        _error(
            "Your account is not active, please check your billing details on our website.",
            "billing_not_active",
            "billing_not_active",
        ),
    ),
    "credits_xai": _json(
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your team has either used all available credits or reached its monthly spending limit.",
        },
    ),
    "credits_xai_new": _json(
        403,
        {
            "code": "The caller does not have permission to execute the specified operation",
            "error": "Your newly created team doesn't have any credits or licenses yet.",
        },
    ),
    "credits_openrouter": _json(
        402, {"error": {"message": "This request requires more credits, or fewer max_tokens.", "code": 402}}
    ),
    "credits_200": _json(200, {"error": {"message": "insufficient balance", "code": "1113"}}),
    "credits_500": _json(500, _error("Account balance is too low. Please top up.", "internal_error")),
    "deposit": _json(402, _error("Deposit required: minimum $$5 to use this model", "payment_required")),
    "budget_litellm": _json(
        400,
        _error("Budget has been exceeded! Current cost: 10.02, Max budget: 10.0", "budget_exceeded", "400"),
    ),
    "suspended": _json(412, {"error": {"code": "precondition", "message": "account suspended"}}),
    "challenge_cloudflare": ErrorAnswer(
        status=403,
        body=_page("Just a moment...", "Enable JavaScript and cookies to continue"),
        content_type="text/html",
    ),
    "quota_gemini_day": _json(
        429,
        {
            "error": {
                "code": 429,
                "message": "Quota exceeded for metric: generativelanguage.googleapis.com/"
                "generate_requests_per_model_per_day, limit: 0",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "26s"}],
            }
        },
    ),
    "quota_openai_day": _json(
        429,
        _error(
            "Rate limit reached for $model in organization org-x on requests per day (RPD): Limit 200, Used 200, "
            "Requested 1. Please try again in 7m12s.",
            "requests",
            "rate_limit_exceeded",
        ),
    ),
    "model_retired": _json(
        404, _error("The model `$model` has been deprecated and retired.", "invalid_request_error", "model_not_found")
    ),
    "model_gone": _json(410, _error("$model is no longer available.", "invalid_request_error")),
    "model_missing": _json(
        404,
        _error(
            "The model `$model` does not exist or you do not have access to it.",
            "invalid_request_error",
            "model_not_found",
        ),
    ),
}

_REQUEST: Mapping[str, ErrorAnswer] = {
    "invalid_openai": _json(
        400,
        _error("Invalid value: '17x17'. Supported values are: '1024x1024'.", "invalid_request_error", "invalid_value"),
    ),
    "invalid_fastapi": _json(
        422,
        {"detail": [{"loc": ["body", "size"], "msg": "Input should be '1024x1024'", "type": "literal_error"}]},
    ),
    "too_large": ErrorAnswer(status=413, body=_page("413 Request Entity Too Large"), content_type="text/html"),
    "conflict": _json(409, {"error": {"message": "conflict"}}),
    "too_early": ErrorAnswer(status=425, body=""),
    "redirect": ErrorAnswer(status=307, body="", headers={"Location": "/v1/images/generations/"}),
}

_THROTTLES: Mapping[str, ErrorAnswer] = {
    "throttle_silent": _json(429, _error("Too many requests.", "rate_limit_error", "rate_limit_exceeded")),
    "throttle_words": _json(
        429,
        _error("Rate limit reached. Please try again in ${wait}s.", "requests", "rate_limit_exceeded"),
    ),
    "throttle_openai": ErrorAnswer(
        status=429,
        body=_error(
            "Rate limit reached for $model in organization org-x on input-images per min: Limit 5, Used 5. "
            "Please try again in ${wait}s.",
            "input-images",
            "rate_limit_exceeded",
        ),
        headers={"x-ratelimit-reset-requests": "${wait}s", "x-ratelimit-remaining-requests": "0"},
    ),
    "throttle_azure": _json(
        429, _error("Requests have exceeded rate limit. Please retry after $wait seconds.", None, "429")
    ),
    "throttle_gemini": _json(
        429,
        {
            "error": {
                "code": 429,
                "message": "Resource has been exhausted (e.g. check quota).",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "${wait}s"}],
            }
        },
    ),
    "throttle_resets_at": _json(429, {"error": "Too many requests; your limit resets at $resets_at"}),
    "throttle_retry_after": _json(429, {"error": {"message": "slow down", "retry_after": "$wait"}}),
    "throttle_ms": ErrorAnswer(
        status=429, body=_error("slow down", "rate_limit_exceeded"), headers={"retry-after-ms": "$wait_ms"}
    ),
    "throttle_date": ErrorAnswer(
        status=429, body=_error("slow down", "rate_limit_exceeded"), headers={"Retry-After": "$http_date"}
    ),
}

_GATEWAYS: Mapping[str, ErrorAnswer] = {
    "litellm_502": _json(
        502,
        _error("litellm.BadGatewayError: OpenAIException - Error code: 502", "internal_server_error", "502"),
        billed=True,
    ),
    "litellm_connection": _json(
        500,
        _error("litellm.APIConnectionError: OpenAIException - Connection error.", "internal_server_error", "500"),
        billed=True,
    ),
    "litellm_timeout": _json(
        408, _error("litellm.Timeout: APITimeoutError - Request timed out.", None, "408"), billed=True
    ),
    "timeout_408": _json(408, _error("Request timeout"), billed=True),
    "envoy_no_healthy_upstream": ErrorAnswer(status=503, body="no healthy upstream", content_type="text/plain"),
    "envoy_connection_failure": ErrorAnswer(
        status=503,
        body="upstream connect error or disconnect/reset before headers. reset reason: connection failure",
        content_type="text/plain",
    ),
    "envoy_connection_termination": ErrorAnswer(
        status=503,
        body="upstream connect error or disconnect/reset before headers. reset reason: connection termination",
        content_type="text/plain",
        billed=True,
    ),
    "envoy_timeout": ErrorAnswer(status=504, body="upstream request timeout", content_type="text/plain", billed=True),
    "nginx_502": ErrorAnswer(status=502, body=_page("502 Bad Gateway", "nginx"), content_type="text/html", billed=True),
    "nginx_504": ErrorAnswer(
        status=504, body=_page("504 Gateway Time-out", "nginx"), content_type="text/html", billed=True
    ),
    "cloudflare_524": ErrorAnswer(
        status=524, body=_page("524: A timeout occurred", "cloudflare"), content_type="text/html", billed=True
    ),
    "hang_up": _json(500, _error("socket hang up", "internal_error"), billed=True),
    "bare_500": ErrorAnswer(status=500, body="", content_type="text/plain", billed=True),
    "bare_503": ErrorAnswer(status=503, body="", content_type="text/plain", billed=True),
    "busy": ErrorAnswer(status=503, body="busy", content_type="text/plain", headers={"Retry-After": "$wait"}),
    "overloaded": ErrorAnswer(
        status=529, body=_error("Overloaded", "overloaded_error"), headers={"Retry-After": "$wait"}
    ),
    "overloaded_silent": _json(529, _error("Overloaded", "overloaded_error")),
    "server_error_openai": _json(
        500,
        _error("The server had an error while processing your request. Sorry about that!", "server_error"),
    ),
    "imagerouter_postlog": _json(200, _error("Failed to postlog usage", "internal_error"), billed=True),
    "imagerouter_billed": _json(200, {**_error("The model failed"), "cost": _COST}, billed=True),
    "imagerouter_refund": _json(200, _error("Failed to refund usage", "internal_error"), billed=True),
}

ERRORS: Mapping[str, ErrorAnswer] = {**_MODERATION, **_NOTHING, **_ACCOUNT, **_REQUEST, **_THROTTLES, **_GATEWAYS}
