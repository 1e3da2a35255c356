"""``${NAME}`` in a job file: an environment variable, in the three settings that differ between machines.

Anywhere else it is a mistake: a prompt is sent, written into the outputs and published with them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from batchgen.manifest.column_names import is_credential
from batchgen.manifest.document import DataPath, Document, Mistake
from batchgen.manifest.schema_errors import dotted
from batchgen.wording import shown

PLACES: tuple[tuple[str, str], ...] = (("provider", "base_url"), ("output", "folder"), ("output", "pictures"))

_PLACES = " and ".join((", ".join(map(".".join, PLACES[:-1])), ".".join(PLACES[-1])))

_VARIABLE = re.compile(r"\$\{([^{}]*)\}")
_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_SECRET = re.compile("(key|token|secret|password|passwd|credentials?)$", re.IGNORECASE)
# In a template `${subject}` is a dollar sign and a value; rows are data, as they would be in a CSV.
_TEMPLATES = frozenset({("prompt",), ("output", "path")})


@dataclass(frozen=True, slots=True)
class Expanded:
    """The document with its variables replaced, and the mistakes in them."""

    document: Document
    findings: tuple[Mistake, ...]


def expanded(document: Document, environment: Mapping[str, str]) -> Expanded:
    """Return ``document`` with the variables of ``environment`` replaced in :data:`PLACES`."""
    data: dict[str, Any] = dict(document.data)
    findings = list(_misplaced(data, ()))
    for section, name in PLACES:
        value = data[section].get(name) if isinstance(data.get(section), dict) else None
        if isinstance(value, str) and "${" in value:
            wrong = list(_wrong((section, name), value, environment))
            findings += wrong
            text = None if wrong else _VARIABLE.sub(lambda match: environment[match[1]], value)
            data[section] = {**data[section], name: text}
    return Expanded(replace(document, data=data), tuple(findings))


def _wrong(path: DataPath, text: str, environment: Mapping[str, str]) -> Iterator[Mistake]:
    if text.count("${") != len(_VARIABLE.findall(text)):
        yield Mistake(path, f"{dotted(path)} has a '${{' that is never closed: {shown(text)}", "write ${NAME}")
    for name in _VARIABLE.findall(text):
        written = shown(f"${{{name}}}")
        if not _NAME.fullmatch(name):
            yield Mistake(path, f"{dotted(path)} uses {written}, which is no variable's name", "write ${NAME}")
        elif is_credential(name) or _SECRET.search(name):
            yield Mistake(path, f"{dotted(path)} must not use {written}: a key is never part of an address or a name")
        elif not environment.get(name):
            yield Mistake(path, f"{dotted(path)} uses {written}, which is not set in the environment")


def _misplaced(data: object, path: DataPath) -> Iterator[Mistake]:
    """Yield every text with a variable in a setting that takes none."""
    if path in PLACES or path in _TEMPLATES or path == ("rows",):
        return
    if isinstance(data, str):
        found = _VARIABLE.search(data) if "${" in data else None
        if found and _NAME.fullmatch(found[1]):
            message = f"{dotted(path)} holds {shown(found[0])}, and variables of the environment are not read here"
            yield Mistake(path, message, f"they are in {_PLACES} only")
    elif isinstance(data, dict):
        for name, value in data.items():
            yield from _misplaced(value, (*path, name))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _misplaced(value, (*path, index))
