"""A request, what came back for it, and the key that makes a run resumable.

The key is the digest of what reaches the wire and can change the picture, and of nothing else: rows may be added,
removed and reordered, and only what changed is bought.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

# The parameters that reach the wire as they are. `response_format` says how a picture travels, not which picture
# it is, so it is no part of a request's identity: changing it buys nothing again.
PARAMETERS = ("prompt", "quality", "size", "output_format", "response_format", "seconds")
DELIVERY = frozenset({"response_format"})

# Raised whenever the canonical form changes, so that old ledgers can be told apart rather than silently bought again.
KEY_VERSION = 1

_encoder = msgspec.json.Encoder(order="deterministic")


class Kind(enum.StrEnum):
    """What a request asks for."""

    IMAGE = "image"
    VIDEO = "video"


class State(enum.StrEnum):
    """Where a request stands; a request that was never touched has none."""

    WAITING = "waiting"
    SENT = "sent"
    ANSWERED = "answered"
    STORED = "stored"
    REFUSED = "refused"
    SPOILED = "spoiled"
    DOUBT = "in doubt"


@dataclass(frozen=True, slots=True)
class Input:
    """An input picture or mask: a local file (``path``), or a URL or data URI (``uri``).

    ``digest`` is ``sha256:…`` of the bytes where we have them; a URL that only the service fetches is its own digest.
    """

    source: str
    digest: str
    media_type: str = "application/octet-stream"
    path: Path | None = None
    uri: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One resolved call: what is asked for, how it is recognised, and where its picture belongs."""

    key: str
    canonical: bytes
    provider: str
    kind: Kind
    model: str
    parameters: Mapping[str, str]
    image: tuple[Input, ...] = ()
    mask: Input | None = None
    repeat: int = 1
    index: int = 0
    row: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    axes: Mapping[str, str] = field(default_factory=dict)
    path: str | None = None

    @property
    def lane(self) -> str:
        """The queue this request waits in: one model of one provider."""
        return f"{self.provider}:{self.model}"


def canonical_json(
    *,
    provider: str,
    kind: Kind,
    model: str,
    parameters: Mapping[str, str],
    image: tuple[Input, ...] = (),
    mask: Input | None = None,
    repeat: int = 1,
) -> bytes:
    """The canonical JSON of a request: sorted keys, no white space, only what can change the picture."""
    identity: dict[str, object] = {
        "version": KEY_VERSION,
        "provider": provider,
        "kind": kind.value,
        "model": model,
        "parameters": {name: value for name, value in parameters.items() if name not in DELIVERY},
        "repeat": repeat,
    }
    if image:
        identity["image"] = [one.digest for one in image]
    if mask is not None:
        identity["mask"] = mask.digest
    return _encoder.encode(identity)


def key_of(canonical: bytes) -> str:
    """The key of a canonical request: 32 hexadecimal digits."""
    return hashlib.blake2b(canonical, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class Picture:
    """One entry of an answer: hosted at ``url``, or inline as ``base64`` text that is not decoded yet."""

    url: str | None = None
    base64: bytes | None = None
    revised_prompt: str | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """What came back for a request that was paid for: at least one picture, and what the service says of it.

    ``cost_microusd`` is ``None`` where the service stated no cost that is a finite number ≥ 0.
    """

    pictures: tuple[Picture, ...]
    cost_microusd: int | None
    latency_ms: int | None
