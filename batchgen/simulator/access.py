"""Authentication: bearer keys, and the name of a key in the billing ledger."""

import hashlib
import hmac

from starlette.requests import Request

from batchgen.simulator.problems import TurnedAway

SIMULATOR_KEY = "simulator"
_KEY_LENGTH = 64


def key_name(request: Request, required_key: str) -> str:
    """Return the name of the request's key, which doesn't reveal it. Raise ``TurnedAway`` for a wrong or no key."""
    scheme, _, key = request.headers.get("authorization", "").partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key:
        raise _unauthorized("Missing API key: send it as 'Authorization: Bearer KEY'")
    if not _accepted(key, required_key):
        raise _unauthorized("Invalid API key")
    return key if key == SIMULATOR_KEY else f"key-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _accepted(key: str, required_key: str) -> bool:
    if required_key:
        return hmac.compare_digest(key.encode(), required_key.encode())
    return key == SIMULATOR_KEY or len(key) == _KEY_LENGTH


def _unauthorized(message: str) -> TurnedAway:
    return TurnedAway(401, "unauthorized", message, code="invalid_api_key")
