"""The errors of faults, and of requests that can't be fulfilled, in the service's words."""

from batchgen.simulator.faults import Fault
from batchgen.simulator.orders import Order
from batchgen.simulator.problems import FailedGeneration, TurnedAway

# A prompt with this word in it is refused by moderation, always: for examples and tests.
FORBIDDEN_WORD = "forbidden-by-simulator"

# What `not_an_image` gives instead of a picture.
NO_PICTURE = b"<html><body>This is not the picture you are looking for.</body></html>"

_KINDS = {
    400: "invalid_request_error",
    401: "unauthorized",
    403: "access_denied",
    404: "model_not_found",
    429: "rate_limit_error",
}


def turned_away_by(fault: Fault) -> TurnedAway | None:
    """Return the refusal, for the faults that strike before admission."""
    if fault.kind == "http_status":
        message = fault.message or f"Simulated failure with status {fault.status}"
        return TurnedAway(fault.status, _KINDS.get(fault.status, "internal_error"), message, page=fault.html)
    if fault.kind == "throttle":
        message = fault.message or "Too many requests. Please slow down."
        return TurnedAway(429, "rate_limit_error", message, headers={"Retry-After": fault.retry_after})
    return None


def failure_of(order: Order, fault: Fault | None) -> FailedGeneration | None:
    """Return why the generation will fail, or ``None`` if it will succeed."""
    if order.inputs and not order.model.takes_image:
        return FailedGeneration("invalid_request_error", "This model does not support image inputs", 400)
    if order.mask and not order.model.takes_mask:
        return FailedGeneration("invalid_request_error", "Mask editing is not supported for this model", 400)
    if FORBIDDEN_WORD in order.prompt.lower():
        return _refused("")
    match fault.kind if fault else None:
        case "error_200" if fault:
            message = fault.message or "The model is overloaded. Please try again later."
            return FailedGeneration("api_error", message, 503)
        case "refuse" if fault:
            return _refused(fault.message)
        case "insufficient_credits":
            return insufficient_credits(order)
    return None


def insufficient_credits(order: Order) -> FailedGeneration:
    """Return the failure of an order that the account can't pay for."""
    least_usd = order.model.most_microusd * order.times / 1_000_000
    message = f"Insufficient credits (this model needs minimum ${least_usd:g} credits)"
    return FailedGeneration("insufficient_credits", message, 429, "insufficient_quota")


def _refused(message: str) -> FailedGeneration:
    words = message or "Your request was rejected: the prompt was flagged by our content moderation system."
    return FailedGeneration("content_policy_violation", words, 400, "moderation_blocked")
