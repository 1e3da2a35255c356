"""A survey as bytes: the next run of an unchanged plan need not read it through before its first request.

Only a survey without mistakes is kept, under the fingerprint of all that affected it. Keys are made anew from
the rows whenever a request is sent, so a wrong memo may hide a request from a run; it can't buy one twice.
"""

from __future__ import annotations

from array import array
from dataclasses import replace
from hashlib import blake2b

import msgspec

from batchgen.errors import Problem
from batchgen.manifest import Manifest, Template
from batchgen.planning.key_list import KeyList
from batchgen.planning.survey import Survey
from batchgen.provider.interface import Catalogue, Model
from batchgen.request import KEY_VERSION
from batchgen.version import __version__

# A smaller plan is surveyed as fast as a file is read.
SMALLEST = 10_000

_DIGEST_BYTES = 16


class _CachedSurvey(msgspec.Struct, frozen=True):
    """Integers stand as this machine writes them: a file from elsewhere has another fingerprint."""

    fingerprint: str
    warnings: tuple[tuple[str, str, str], ...]
    models: tuple[str, ...]
    numbers: bytes
    lanes: bytes


def fingerprint(manifest: Manifest, catalogue: Catalogue | None) -> str:
    """Return a digest that changes with everything that affects a plan, but for input pictures."""
    said = (
        __version__,
        KEY_VERSION,
        array("Q", [1]).tobytes() + array("I", [1]).tobytes(),
        manifest.provider.kind,
        sorted(manifest.parameters.types.items()),
        _text(manifest.prompt),
        manifest.rows.fingerprint(),
        manifest.defaults,
        manifest.axes,
        manifest.exclude,
        manifest.include,
        manifest.repeat,
        manifest.flags,
        (manifest.row_rules.columns, manifest.row_rules.meant),
        sorted(manifest.prices),
        _text(manifest.output.path),
        manifest.kind,
        None if catalogue is None else (catalogue.binding, [*map(_without_price, catalogue.models.values())]),
    )
    return blake2b(msgspec.json.encode(said), digest_size=_DIGEST_BYTES).hexdigest()


def memo_of(survey: Survey, found_under: str) -> bytes | None:
    """Return a survey as bytes; ``None`` if the plan is too small, or the survey does not last."""
    keys = survey.outline
    if not survey.lasting or len(keys) < SMALLEST:
        return None
    kept = _CachedSurvey(
        found_under,
        tuple((one.message, one.place, one.suggestion) for one in survey.warnings),
        keys.models,
        keys.numbers.tobytes(),
        keys.lanes.tobytes(),
    )
    content = msgspec.msgpack.encode(kept)
    return blake2b(content, digest_size=_DIGEST_BYTES).digest() + content


def survey_of(memo: bytes, wanted: str) -> Survey | None:
    """Return the survey of an undamaged memo made under the fingerprint ``wanted``; else ``None``."""
    digest, content = memo[:_DIGEST_BYTES], memo[_DIGEST_BYTES:]
    if blake2b(content, digest_size=_DIGEST_BYTES).digest() != digest:
        return None
    try:
        kept = _decoder.decode(content)
    except msgspec.DecodeError:
        return None
    if kept.fingerprint != wanted:
        return None
    keys = KeyList(kept.models, _array("Q", kept.numbers), _array("I", kept.lanes))
    return Survey((), tuple(Problem(*one) for one in kept.warnings), keys, lasting=True)


def _array(kind: str, content: bytes) -> array[int]:
    made: array[int] = array(kind)
    made.frombytes(content)
    return made


def _without_price(model: Model) -> Model:
    """Return the model without its price, which does not affect a plan and may change every night."""
    return replace(model, price=None)


def _text(template: Template | None) -> str | None:
    return None if template is None else template.text


_decoder = msgspec.msgpack.Decoder(_CachedSurvey)
