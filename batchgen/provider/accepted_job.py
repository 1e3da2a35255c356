"""Jobs that a service took instead of answering: where to ask for what becomes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from batchgen.provider.arrival import Arrival
from batchgen.provider.places import address

_STATES = ("status", "state", "task_status", "taskStatus", "job_status", "phase")
_PENDING = frozenset({
    "queued", "queue", "in_queue", "inqueue", "pending", "processing", "process", "in_progress", "inprogress",
    "running", "starting", "started", "submitted", "accepted", "waiting", "scheduled", "not_started", "notstarted",
    "generating", "preparing", "enqueued", "throttled", "incomplete",
})  # fmt: skip
_ENDED = frozenset({"failed", "failure", "error", "canceled", "cancelled", "succeeded", "success", "completed", "done"})
# Where services put what they say of a job, beside the top.
_HOLDERS = ("data", "output", "result", "task", "job", "response", "prediction")
_ASKED_AT = re.compile(r"(status|poll|polling|task|job|operation|response|result|fetch)_?(url|uri|link|href)\Z")
_IDS = (
    "task_id",
    "taskid",
    "job_id",
    "jobid",
    "request_id",
    "requestid",
    "prediction_id",
    "generation_id",
    "id",
    "uuid",
)


def is_pending(value: object) -> bool:
    """Return whether an answer says that its result is still being made: what it names by then is none."""
    return any(state in _PENDING for part in _parts(value) for state in _states(part))


def has_failed(value: object) -> bool:
    """Return whether an answer says that it is an error: an address beside its words may be that of a page."""
    if not isinstance(value, dict):
        return False
    failed = value.get("success") is False or bool(value.get("error") or value.get("errors"))
    return failed or any(state in {"failed", "failure", "error"} for state in _states(value))


def job_of(value: object, arrival: Arrival, base_url: str) -> str | None:
    """Return the address, or else the name, of the job that a success without a picture speaks of."""
    if not 200 <= arrival.status < 300 or has_failed(value):
        return None
    parts = list(_parts(value))
    if any(state in _ENDED for part in parts for state in _states(part)) or any(part.get("done") for part in parts):
        return None
    headers = [arrival.header(name) for name in ("operation-location", "azure-asyncoperation", "location")]
    asked_at = [text for part in parts for text in _asked_at(part)]
    for text in (*asked_at, *headers):
        if joined := address(text, base_url):
            return joined
    names = [name for part in parts if isinstance(name := part.get("name"), str) and "operations/" in name]
    if names or not (arrival.status == 202 or is_pending(value)):
        return names[0] if names else None
    return next((found for part in parts for found in _ids(part)), None)


def _parts(value: object) -> Iterator[Mapping[str, object]]:
    if isinstance(value, list) and len(value) == 1:
        (value,) = value
    if isinstance(value, dict):
        yield value
        yield from (part for name in _HOLDERS if isinstance(part := value.get(name), dict))


def _states(part: Mapping[str, object]) -> Iterator[str]:
    for name in _STATES:
        state = part.get(name)
        if isinstance(state, str):
            yield re.sub(r"[ -]+", "_", state.strip().lower()[:40])


def _asked_at(part: Mapping[str, object]) -> Iterator[str]:
    urls = part.get("urls")
    inner = [urls.get("get"), urls.get("status")] if isinstance(urls, dict) else []
    named = [text for name, text in part.items() if _ASKED_AT.search(name[:64].replace("URL", "Url").lower())]
    yield from (text for text in (*named, *inner) if isinstance(text, str))


def _ids(part: Mapping[str, object]) -> Iterator[str]:
    small = {name.lower(): found for name, found in part.items() if isinstance(found, (str, int))}
    yield from (str(small[name])[:200] for name in _IDS if small.get(name))
