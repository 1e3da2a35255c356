"""A document against the job file's schema: pydantic's errors become findings in our words.

Parts with a mistake are left out and the rest is validated again, so that the checks that follow see all of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from batchgen.errors import nearest
from batchgen.manifest.column_names import is_credential
from batchgen.manifest.document import DataPath, Document, Mistake
from batchgen.manifest.jobfile import (
    JobFile,
    LaneSection,
    LimitsSection,
    OutputSection,
    ProviderSection,
    RetrySection,
    Section,
)
from batchgen.manifest.values import PARAMETERS
from batchgen.wording import shown

_SECTIONS: dict[str, type[Section]] = {
    "provider": ProviderSection,
    "limits": LimitsSection,
    "retry": RetrySection,
    "output": OutputSection,
}

# Variables, prompts and models come from none of these sections.
_INDEPENDENT = frozenset({"kind", "limits", "name", "output", "prices", "provider", "repeat", "retry", "reuse"})

_NEEDED = ("prompt", "rows", "defaults", "matrix", "zip", "extends", "model", "image", "exclude", "include")

_EXPECTED = {
    "list_type": "a list",
    "dict_type": "a mapping",
    "model_type": "a mapping",
    "missing": "",
}
_ONE_OF = frozenset({"literal_error", "enum"})


@dataclass(frozen=True, slots=True)
class Shaped:
    """The parts that could be validated, and the mistakes of the others.

    ``whole`` says that nothing was left out on which the meaning of another part depends.
    """

    job: JobFile
    findings: tuple[Mistake, ...]
    whole: bool


def shaped(document: Document) -> Shaped:
    """Return the document as a :class:`JobFile`, with every mistake of its shape."""
    data, credentials = _without_credentials(dict(document.data))
    findings = [_credential(path) for path in credentials]
    try:
        return Shaped(JobFile.model_validate(data), tuple(findings), whole=not findings)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    paths = [_path(found["loc"], data) for found in errors]
    findings += [finding(found, path) for found, path in zip(errors, paths, strict=True)]
    for found, path in zip(errors, paths, strict=True):
        data = _without(data, path, unknown=found["type"] == "extra_forbidden")
    apart = (_stands_apart(found, path) for found, path in zip(errors, paths, strict=True))
    return Shaped(JobFile.model_validate(data), tuple(findings), whole=all(apart))


def _stands_apart(found: ErrorDetails, path: DataPath) -> bool:
    """Return whether the meaning of no other part depends on one with a mistake, so that those can be judged."""
    if path[0] in _INDEPENDENT:
        return True
    # An unknown key may be a section that is misspelt, or a parameter in the wrong place that others need.
    unknown = found["type"] == "extra_forbidden" and len(path) == 1
    return unknown and path[0] not in PARAMETERS and not nearest(str(path[0]), _NEEDED)


def _path(location: tuple[Any, ...], data: Any) -> DataPath:
    """Return the location within the data: pydantic's own steps, such as the name of a form, are not part of it."""
    path: list[str | int] = []
    for position, step in enumerate(location):
        if (isinstance(data, dict) and step in data) or (isinstance(data, list) and isinstance(step, int)):
            data = data[step]
        elif position < len(location) - 1 or str(step).startswith("as "):
            continue
        path.append(step)
    return tuple(path)


def finding(found: ErrorDetails, path: DataPath, known: Sequence[str] = ()) -> Mistake:
    """Return pydantic's error ``found`` at ``path`` in our words; ``known`` are the keys of an axis' source."""
    if found["type"] == "extra_forbidden":
        return _unknown_key(path, known)
    value, name = found["input"], dotted(path)
    if found["type"] == "missing":
        return Mistake(path, f"{name} is missing")
    if value is None:
        return Mistake(path, f"{name} is empty", "give it a value, or remove it")
    meant = _suggestion(path, value) or _word_meant(found)
    return Mistake(path, f"{name} {_rule(found)}, found {shown(value)}", meant)


def _rule(found: ErrorDetails) -> str:
    if found["type"] == "value_error":
        return str(found["ctx"]["error"])
    if found["type"] in _ONE_OF:
        return f"must be {found['ctx']['expected']}"
    return f"must be {_EXPECTED.get(found['type'], found['msg'])}"


def _word_meant(found: ErrorDetails) -> str:
    """Return the allowed word that was probably meant."""
    if found["type"] not in _ONE_OF or not isinstance(found["input"], str):
        return ""
    return nearest(found["input"].strip().lower(), re.findall("'([^']+)'", found["ctx"]["expected"]))


def _suggestion(path: DataPath, value: object) -> str:
    if path == ("prompt",) and isinstance(value, dict):
        return "quote a text that begins with '{'"
    if path[0] == "matrix" and len(path) == 2 and isinstance(value, str):
        return f"write [{value}]" if value.isprintable() and len(value) < 40 else "write it in [ and ]"
    return ""


def _unknown_key(path: DataPath, known: Sequence[str]) -> Mistake:
    """Return an unknown key, with the nearest known one or the section it belongs to."""
    section, name = path[:-1], str(path[-1])
    where = f" under {dotted(section)}" if section else ""
    meant = nearest(name, known) or f"known are {', '.join(known)}" if known else _meant(section, name)
    return Mistake(path, f"unknown key {shown(name)}{where}", meant)


def _meant(section: DataPath, name: str) -> str:
    known = _keys(section)
    if not section and name in PARAMETERS:
        return f"put it under 'defaults:', or under 'matrix:' with a list of values for {name}"
    belongs = next((one for one, model in _SECTIONS.items() if name in model.model_fields), "")
    if belongs and (belongs,) != section:
        return f"put it under '{belongs}:'"
    return nearest(name, known) or f"known are {', '.join(known)}"


def _keys(section: DataPath) -> tuple[str, ...]:
    model: type[Section] = _SECTIONS.get(str(section[0]), JobFile) if section else JobFile
    return tuple((LaneSection if len(section) > 1 else model).model_fields)


def dotted(path: DataPath) -> str:
    """Return a path in words: ``limits.lanes.concurrency``; a name that needs it is quoted."""
    steps = [str(step) if isinstance(step, int) or str(step).isidentifier() else shown(step) for step in path]
    return ".".join(steps) or "the job file"


def _without(data: dict[str, Any], path: DataPath, *, unknown: bool) -> dict[str, Any]:
    """Return the data without the part at fault, which is small enough to leave the rest its meaning."""
    if path[0] == "rows" and len(path) > 1 and isinstance(data["rows"], list):
        return {**data, "rows": _without_cell(data["rows"], path[1:])}
    if path[0] == "provider" and not unknown:
        # Its kind can't be left out alone.
        return _pruned(data, path[:1])
    in_list = next((depth for depth, step in enumerate(path) if isinstance(step, int)), len(path))
    # A part below the second level, such as one axis, has a meaning only as a whole.
    return _pruned(data, path[: min(in_list, 2)])


def _without_cell(rows: list[Any], path: DataPath) -> list[Any]:
    """Return the rows without one value, or without all of a row that is none, so that the others can be judged."""
    row = rows[int(path[0])]
    left = {**row, path[1]: None} if len(path) > 1 and isinstance(row, dict) else {}
    return [left if index == path[0] else other for index, other in enumerate(rows)]


def _pruned(data: dict[str, Any], path: DataPath) -> dict[str, Any]:
    first, rest = str(path[0]), path[1:]
    if rest and isinstance(data.get(first), dict):
        return {**data, first: _pruned(data[first], rest)}
    return {name: value for name, value in data.items() if name != first}


def _without_credentials(data: dict[str, Any]) -> tuple[dict[str, Any], list[DataPath]]:
    """Return the data without keys and passwords, at any depth, and the paths of those."""
    found = list(_credentials(data, ()))
    for path in found:
        data = _pruned(data, path)
    return data, found


def _credentials(data: object, path: DataPath) -> Iterator[DataPath]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            if (path == ("provider", "headers") and isinstance(value, Mapping)) or path == ("provider", "downloads"):
                # A header may well be named so, with a variable's name as its value; the other says who gets the key.
                continue
            if is_credential(name) and path[:1] != ("rows",):
                yield (*path, name)
            else:
                yield from _credentials(value, (*path, name))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _credentials(value, (*path, index))


def _credential(path: DataPath) -> Mistake:
    message = f"{dotted(path)} is refused: a job file is no place for a key"
    if path[:2] == ("provider", "headers"):
        return Mistake(path, message, f"write '{path[-1]}: {{env: NAME}}', and set NAME in the environment")
    return Mistake(path, message, "put it into the environment or a '.env' file, and remove it here")
