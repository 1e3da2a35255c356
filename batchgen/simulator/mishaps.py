"""The errors of faults, and of requests that can't be fulfilled, in the service's words."""

from batchgen.simulator.error_answers import ERRORS, error_answer
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


def turned_away_by(fault: Fault, order: Order, cost_usd: float = 0.0) -> TurnedAway | None:
    """Return the error, for the faults that answer with one whether or not the generation ran and cost that much."""
    match fault.kind:
        case "http_status":
            status = fault.status or 500
            message = fault.message or f"Simulated failure with status {status}"
            return TurnedAway(
                status, _KINDS.get(status, "internal_error"), message, raw=_page(status) if fault.html else None
            )
        case "throttle":
            message = fault.message or "Too many requests. Please slow down."
            return TurnedAway(429, "rate_limit_error", message, headers={"Retry-After": fault.retry_after})
        case "error_answer":
            raw = error_answer(fault.error, model=order.model.id, wait=fault.retry_after, cost_usd=cost_usd)
            return TurnedAway(fault.status or ERRORS[fault.error].status, "", fault.error, raw=raw)
    return None


def _page(status: int) -> tuple[dict[str, str], bytes]:
    """Return headers and body of a gateway's own page."""
    words = f"<h1>Error {status}</h1><p>The web server had a problem.</p>"
    page = f"<html><head><title>{status}</title></head><body>{words}</body></html>"
    return {"Content-Type": "text/html"}, page.encode()


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
        case "supplier_dry" if fault:
            return _dry_supplier(fault.message)
    return None


def insufficient_credits(order: Order) -> FailedGeneration:
    """Return the failure of an order that the account can't pay for."""
    least_usd = order.model.most_microusd * order.times / 1_000_000
    message = f"Insufficient credits (this model needs minimum ${least_usd:g} credits)"
    return FailedGeneration("insufficient_credits", message, 429, "insufficient_quota")


def _dry_supplier(message: str) -> FailedGeneration:
    words = message or "Insufficient credits. You do not have enough credits to process this request."
    return FailedGeneration("insufficientCredits", words, 402, "insufficient_credits")


def _refused(message: str) -> FailedGeneration:
    words = message or "Your request was rejected: the prompt was flagged by our content moderation system."
    return FailedGeneration("content_policy_violation", words, 400, "moderation_blocked")
