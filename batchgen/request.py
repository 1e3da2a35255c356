"""A request, what came back for it, and the key that makes a run resumable.

The key is the digest of what reaches the wire and can change the picture, and of nothing else: if rows are added,
removed or reordered, only what changed is bought.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import msgspec

from batchgen.tokens import Usage

# The parameters that reach the wire as they are. `response_format` says how a picture travels, not which picture
# it is, so it is no part of a request's identity: changing it buys nothing again.
PARAMETERS = ("prompt", "quality", "size", "output_format", "response_format", "seconds")
DELIVERY = frozenset({"response_format"})

# The columns of a request that say which pictures and mask it was written with; the name of an input holds no line end.
INPUT_PATHS, MASK_PATH = "input_paths", "mask_path"
INPUT_PATH_END = "\n"

# Raised whenever the canonical form changes, so that old ledgers can be told apart rather than silently bought again.
KEY_VERSION = 1

_encoder = msgspec.json.Encoder(order="deterministic")

# Random marks for the values to be filled in, so that no value of a user's holds one.
_MARK = secrets.token_hex(16)
_REPEAT_MARK = secrets.randbits(62) | 1 << 61


class Kind(enum.StrEnum):
    """What a request asks for: a picture or a film."""

    IMAGE = "image"
    VIDEO = "video"


class WireType(enum.StrEnum):
    """How a parameter stands in a JSON body; in a form it is text, whatever its type."""

    TEXT = "text"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


# What OpenAI documents for its images endpoints beside those. Not `style` and `user`: a column of that name was meant
# for a template, or as a note, far more often than for dall-e-3.
OPENAI_PARAMETERS: Mapping[str, WireType] = {
    "background": WireType.TEXT,
    "input_fidelity": WireType.TEXT,
    "moderation": WireType.TEXT,
    "output_compression": WireType.INTEGER,
}


class State(enum.StrEnum):
    """The state of a request; one that was never sent or reused has none."""

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

    ``digest`` is ``sha256:…`` of the bytes if we have them; a URL that only the service fetches is its own digest.
    """

    source: str
    digest: str
    media_type: str = "application/octet-stream"
    path: Path | None = None
    uri: str | None = None


class Request(msgspec.Struct, frozen=True, gc=False):
    """One resolved call: what is asked for, how it is recognised, and the name of its picture.

    A frozen struct, not a dataclass: there may be a million, and a struct is made ten times as fast. Its mappings are
    shared between requests and never changed. ``types`` are those of the parameters that are no text on the wire.
    """

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
    columns: Mapping[str, str] = msgspec.field(default_factory=dict)
    axes: Mapping[str, str] = msgspec.field(default_factory=dict)
    path: str | None = None
    types: Mapping[str, WireType] = msgspec.field(default_factory=dict)
    # Which of the purchases of one key this is: a person may ask for another picture of what is stored.
    take: int = 1

    @property
    def inputs(self) -> tuple[Input, ...]:
        """The pictures to be edited, and the mask, if there is one."""
        return self.image if self.mask is None else (*self.image, self.mask)

    @property
    def lane(self) -> str:
        """The queue this request waits in: one model of one provider."""
        return f"{self.provider}:{self.model}"

    @property
    def json_parameters(self) -> dict[str, object]:
        """The parameters as they stand in a JSON body: numbers with the digits they were written with."""
        if not self.types:
            return dict(self.parameters)
        return {name: _json_value(value, self.types.get(name)) for name, value in self.parameters.items()}


def _json_value(value: str, kind: WireType | None) -> object:
    return value if kind in (None, WireType.TEXT) else msgspec.Raw(value.encode())


def canonical_json(
    *,
    provider: str,
    kind: Kind,
    model: str,
    parameters: Mapping[str, str],
    image: tuple[Input, ...] = (),
    mask: Input | None = None,
    repeat: int = 1,
    types: Mapping[str, WireType] | None = None,
) -> bytes:
    """Return the canonical JSON of a request: sorted keys, no white space, only what can change the picture.

    ``types`` are part of it only if a parameter is no text: a request of texts alone has the key it always had.
    """
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
    if typed := {name: kind for name, kind in (types or {}).items() if name in parameters and name not in DELIVERY}:
        identity["types"] = typed
    return _encoder.encode(identity)


class CanonicalForm:
    """The canonical JSON of requests that share all but some values, made in a fraction of the time.

    ``varying`` names what differs between them: ``model``, ``image``, ``mask``, or a parameter. ``slots`` are those of
    them that are part of the identity, in the order that :meth:`filled` takes; all other JSON is made once.
    """

    def __init__(
        self,
        *,
        varying: Collection[str],
        provider: str,
        kind: Kind,
        model: str,
        parameters: Mapping[str, str],
        image: tuple[Input, ...] = (),
        mask: Input | None = None,
        types: Mapping[str, WireType] | None = None,
    ) -> None:
        parameter_slots = sorted(set(varying) - {"image", "mask", "model"} - DELIVERY)
        self.slots = (*(name for name in ("image", "mask", "model") if name in varying), *parameter_slots)
        pattern = canonical_json(
            provider=provider,
            kind=kind,
            model=_mark("model") if "model" in varying else model,
            parameters={**parameters, **{name: _mark(name) for name in parameter_slots}},
            image=(Input("", _mark("image")),) if "image" in varying else image,
            mask=Input("", _mark("mask")) if "mask" in varying else mask,
            repeat=_REPEAT_MARK,
            types=types,
        ).replace(b"%", b"%%")
        for name in self.slots:
            mark = _encoder.encode([_mark(name)] if name == "image" else _mark(name))
            pattern = pattern.replace(mark, b"%b")
        self._pattern = pattern.replace(b"%d" % _REPEAT_MARK, b"%d")

    def filled(self, values: tuple[bytes, ...], repeat: int) -> bytes:
        """Return the canonical JSON with :func:`encoded` values in the slots: a list for ``image``, else a text."""
        return self._pattern % (*values, repeat)


def _mark(name: str) -> str:
    return f"{_MARK}-{name}"


# Returns a value as it stands in the canonical JSON.
encoded = _encoder.encode


class CanonicalRequest(msgspec.Struct, frozen=True, gc=False):
    """What a canonical JSON says: everything that is part of a request's identity, the pictures by their digests."""

    parameters: dict[str, str]
    provider: str = ""
    kind: str = Kind.IMAGE.value
    model: str = ""
    repeat: int = 1
    image: tuple[str, ...] = ()
    mask: str | None = None
    types: dict[str, str] = msgspec.field(default_factory=dict)


_canonical_decoder = msgspec.json.Decoder(CanonicalRequest)


def read_canonical(canonical: bytes | str) -> CanonicalRequest:
    """Return what a canonical JSON says. Raises ``msgspec.MsgspecError`` if the text is none."""
    return _canonical_decoder.decode(canonical)


def inputs_of(request: Request | CanonicalRequest) -> tuple[str, ...]:
    """Return the digests of all input pictures and masks of a request."""
    return tuple(
        one if isinstance(one, str) else one.digest for one in (*request.image, request.mask) if one is not None
    )


def key_of(canonical: bytes) -> str:
    """Return the key of a canonical request: 32 hexadecimal digits."""
    return blake2b(canonical, digest_size=16).hexdigest()


def number_of(key: str) -> int:
    """Return the first 64 bits of a key: enough to tell millions apart, in a tenth of the memory of its digits."""
    return int(key[:16], 16)


@dataclass(frozen=True, slots=True)
class AnswerPicture:
    """A picture of an answer: hosted at ``url``, inline as ``base64`` that is not decoded yet, or as ``content``.

    A large one is a view of where it lies in the answer, as plain base64 or as its bytes.
    """

    url: str | None = None
    base64: bytes | memoryview | None = None
    revised_prompt: str | None = None
    content: bytes | memoryview | None = None


@dataclass(frozen=True, slots=True)
class Generation:
    """What came back for a paid request: at least one picture, and what the service says about it.

    ``cost_microusd`` is ``None`` if the service stated no cost that is a finite number ≥ 0; ``cost_source`` is where
    the cost stood, and ``cost_flag`` what is odd about it. ``latency_ms`` is ``None`` if the service stated none.
    """

    pictures: tuple[AnswerPicture, ...]
    cost_microusd: int | None
    latency_ms: int | None
    cost_source: str = "answer"
    cost_flag: str | None = None
    usage: Usage | None = None


@dataclass(frozen=True, slots=True)
class Experience:
    """The cost and time of a run folder's requests so far: all of one model, or those that asked ``like`` this.

    ``like`` has quality, size and seconds, each empty if a request left the choice. ``billed`` counts the answers
    with a cost that was stated, or follows from stated tokens: the three amounts are from those. ``median_ms`` is the
    time from sending to the answer.
    """

    model: str
    like: tuple[str, str, str] | None
    billed: int
    least_microusd: int
    mean_microusd: int
    most_microusd: int
    median_ms: int | None


def like(parameters: Mapping[str, str]) -> tuple[str, str, str]:
    """Return the parameters on which the price depends: quality, size and seconds."""
    return parameters.get("quality", ""), parameters.get("size", ""), parameters.get("seconds", "")
