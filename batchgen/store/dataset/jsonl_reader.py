"""Read the lines of metadata.jsonl and failures.jsonl back into what :mod:`~batchgen.store.dataset.metadata` wrote.

A line that no ledger has written is :class:`UnreadableLine`, whatever is wrong with it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from batchgen.money import MICROUSD
from batchgen.request import (
    DELIVERY,
    INPUT_PATH_END,
    INPUT_PATHS,
    OPENAI_PARAMETERS,
    PARAMETERS,
    Input,
    Kind,
    Request,
    State,
    WireType,
    canonical_json,
    key_of,
)
from batchgen.store.dataset.metadata import AFTER_WORDS, BEFORE_WORDS, TAKES
from batchgen.store.ledger.transitions import STATED, Bill, Outcome
from batchgen.store.media.sniff import Format
from batchgen.tokens import MOST_TOKENS, Usage

Line = Mapping[str, Any]

_UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


class UnreadableLine(Exception):
    """No ledger has written such a line, so nobody can tell which request it is of."""


@dataclass(frozen=True, slots=True)
class ListedPicture:
    """A picture as its line describes it; ``file`` is the name the picture had in ``images/``."""

    file: str
    sha256: str
    bytes: int
    format: Format
    revised_prompt: str | None


@dataclass(frozen=True, slots=True)
class PaidLines:
    """A request whose answer was paid for, here or in the folder ``reused_from``, with every picture of the answer.

    ``latency_ms`` is what the service stated. ``takes`` counts what was bought of it, these pictures too.
    """

    request: Request
    pictures: tuple[ListedPicture, ...]
    bill: Bill
    answered_ms: int | None
    latency_ms: int | None
    request_ms: int | None
    total_ms: int | None
    reused_from: str | None
    simulated: bool | None
    takes: int = 1


@dataclass(frozen=True, slots=True)
class FailureLine:
    """A request that ended otherwise, and after how many attempts; or a further ``take`` of a stored one."""

    request: Request
    outcome: Outcome
    attempts: int
    take: int = 1


def read_paid(lines: Sequence[Line], *, index: int) -> PaidLines:
    """Return what the ``lines`` of one answer's pictures say of a request at ``index``.

    Raises :class:`UnreadableLine`.
    """
    first = lines[0]
    try:
        return PaidLines(
            _request(first, index, words=_words(first), columns=_columns(first), axes={}),
            tuple(map(_picture, lines)),
            _bill(lines),
            answered_ms=_moment(first.get("created_at")),
            latency_ms=None if first.get("latency_source") == "request" else _milliseconds(first, "latency_ms"),
            request_ms=_milliseconds(first, "request_ms"),
            total_ms=_milliseconds(first, "total_ms"),
            reused_from=_words(first).get("reused_from"),
            simulated=None if first.get("simulated") is None else bool(int(first["simulated"])),
            takes=int(first.get(TAKES) or 1),
        )
    except _UNREADABLE as error:
        raise UnreadableLine(str(error)) from error


def read_failed(line: Line, *, index: int) -> FailureLine:
    """Return what a line of failures.jsonl says, of a request at ``index``. Raises :class:`UnreadableLine`."""
    try:
        return FailureLine(
            _request(
                line,
                index,
                words=_words(line["parameters"]),
                columns=_words(line["columns"]),
                axes=_words(line["axes"]),
            ),
            Outcome(
                State(line["state"]),
                str(line["class"]),
                str(line["message"]),
                line["status"],
                billed_microusd=_microusd(line["billed_usd"]),
                maybe_microusd=_microusd(line["maybe_billed_usd"]),
                estimated_microusd=_microusd(line["estimated_usd"]),
            ),
            attempts=int(line["attempts"]),
            take=int(line.get("take", 1)),
        )
    except _UNREADABLE as error:
        raise UnreadableLine(str(error)) from error


def _request(
    line: Line, index: int, *, words: Mapping[str, str], columns: Mapping[str, str], axes: Mapping[str, str]
) -> Request:
    """Return the request of a line, with a canonical form that is made anew."""
    # A line says neither what was asked for nor which words were sent with a type; its key does.
    tried = [(kind, *sent) for sent in (_sent(words, typed=False), _sent(words, typed=True)) for kind in Kind]
    forms = [_canonical(line, words, *one) for one in tried]
    found = next((place for place, form in enumerate(forms) if key_of(form) == line["key"]), 0)
    kind, parameters, types = tried[found]
    return Request(
        key=line["key"],
        canonical=forms[found],
        provider=line["provider"],
        kind=kind,
        model=line["model"],
        parameters=parameters,
        repeat=int(line["repeat"]),
        index=index,
        row=int(line["row"]),
        columns={name: value for name, value in columns.items() if name not in parameters},
        axes=axes,
        types=types,
    )


def _canonical(
    line: Line, words: Mapping[str, str], kind: Kind, parameters: Mapping[str, str], types: Mapping[str, WireType]
) -> bytes:
    return canonical_json(
        provider=line["provider"],
        kind=kind,
        model=line["model"],
        parameters=parameters,
        image=tuple(Input("", digest) for digest in words.get("inputs", "").split()),
        mask=Input("", words["mask"]) if "mask" in words else None,
        repeat=int(line["repeat"]),
        types=types,
    )


def _sent(words: Mapping[str, str], *, typed: bool) -> tuple[Mapping[str, str], Mapping[str, WireType]]:
    """Return the parameters among the words, and their types; ``typed``: with those that OpenAI documents."""
    declared = OPENAI_PARAMETERS if typed else {}
    names = [name for name in (*PARAMETERS, *declared) if name in words and name not in DELIVERY]
    types = {name: declared[name] for name in names if declared.get(name, WireType.TEXT) is not WireType.TEXT}
    return {name: words[name] for name in names}, types


def _words(line: Line) -> dict[str, str]:
    return {name: value for name, value in line.items() if isinstance(value, str)}


def _columns(line: Line) -> dict[str, str]:
    """Return what of a line is neither ours nor the request's; without the plan, nobody can tell columns from axes."""
    ours = {*BEFORE_WORDS, *AFTER_WORDS, *PARAMETERS, "inputs", "mask"}
    columns = {name: value for name, value in _words(line).items() if name not in ours}
    paths = line.get(INPUT_PATHS)
    return columns | ({INPUT_PATHS: INPUT_PATH_END.join(map(str, paths))} if isinstance(paths, list) else {})


def _picture(line: Line) -> ListedPicture:
    """Return the picture of a line. Raises :class:`ValueError` for a file outside ``images/``."""
    file = PurePosixPath(line["file_name"])
    if file.is_absolute() or ".." in file.parts or file.parts[:1] != ("images",):
        raise ValueError(f"{file} is no picture of this folder")
    # Lines written before there were films state no length.
    duration_ms = line.get("duration_ms")
    found = Format(line["format"], file.suffix.removeprefix("."), line["width"], line["height"], duration_ms)
    return ListedPicture(str(file), str(line["sha256"]), int(line["bytes"]), found, line["revised_prompt"])


def _bill(lines: Sequence[Line]) -> Bill:
    """Return the cost of one answer's pictures together: see :func:`batchgen.store.dataset.metadata.write_dataset`."""
    cost_microusd = sum(_microusd(line["cost_usd"]) for line in lines)
    source = lines[0]["cost_source"]
    if source in STATED:
        return Bill(billed_microusd=cost_microusd, source=source, usage=_usage(lines[0]))
    return Bill(
        estimated_microusd=cost_microusd,
        flag="not stated",
        source=source if isinstance(source, str) else None,
        usage=_usage(lines[0]),
    )


def _usage(line: Line) -> Usage | None:
    """Return the tokens of a line, which does not say what they stood for."""
    counts = {name: line[name] for name in ("input_tokens", "output_tokens") if line.get(name) is not None}
    if not counts:
        return None
    into, out = (min(max(int(counts.get(name, 0)), 0), MOST_TOKENS) for name in ("input_tokens", "output_tokens"))
    return Usage(text_in=into, image_out=out, stated=counts)


def _microusd(amount_usd: float | None) -> int:
    """Return the amount of a line, 0 for none. Raises :class:`ValueError` for what no ledger could have written."""
    if amount_usd is None:
        return 0
    amount = round(float(amount_usd) * MICROUSD)
    if amount < 0:
        raise ValueError(f"{amount_usd} is no cost")
    return amount


def _moment(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def _milliseconds(line: Line, name: str) -> int | None:
    return None if line.get(name) is None else int(line[name])
