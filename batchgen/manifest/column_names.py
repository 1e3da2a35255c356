"""Which names a row, an axis or a variable may have: all but those that the outputs or the service already use."""

from __future__ import annotations

import re
from collections.abc import Container

from batchgen.request import INPUT_PATHS, MASK_PATH
from batchgen.wording import shown

# Fields of `metadata.jsonl` that describe a picture; request parameters and `repeat` may be columns.
RESERVED_COLUMNS = frozenset(
    {
        *("file_name", "file_names", "key", "provider", "row", "state", "error", "message", "attempts", "simulated"),
        *("cost_usd", "cost_source", "input_tokens", "output_tokens"),
        *("latency_ms", "latency_source", "request_ms", "total_ms", "created_at"),
        *("width", "height", "format", "bytes", "sha256", "revised_prompt", "images", "inputs"),
        *(
            "video",
            "videos",
            "duration_ms",
            "reused_from",
            "shares",
            "flags",
            "take_shown",
            "takes_bought",
            INPUT_PATHS,
            MASK_PATH,
        ),
    }
)

# Fields that the outputs fill from the bytes, and that services such as Together take as parameters.
MEASURED = frozenset({"width", "height", "format"})

_CREDENTIAL = re.compile(
    r"(.*_)?(api_?keys?|secret_?key|access_?(key|token)|auth_?token|bearer(_token)?|authorization|password)"
)


def column_problem(name: str, declared: Container[str] = ()) -> str | None:
    """Return why a row, an axis or a variable can't have this name; else ``None``.

    A ``declared`` parameter may have one of the :data:`MEASURED` names: the outputs then state the picture's own.
    """
    if not name.strip():
        return "a column has no name"
    if not name.isprintable():
        return f"the name {shown(name)} holds a character that does not print"
    if is_credential(name):
        return f"{shown(name)} is refused: every column is written into the outputs, and a key must never be"
    if name in RESERVED_COLUMNS and not (name in MEASURED and name in declared):
        size = ", or give 'size', such as 1536x1024" if name in {"width", "height"} else ""
        return f"the name {shown(name)} is taken by the outputs' own field; rename it, for example 'my_{name}'{size}"
    # `datasets` takes `x_file_name` for a picture of that name and fails to load the folder.
    if name.endswith(("_file_name", "_file_names")):
        return f"the name {shown(name)} would be read as a picture by dataset loaders; rename it"
    return None


def is_credential(name: str) -> bool:
    """Return whether a name says that its value is a key or a password."""
    return _CREDENTIAL.fullmatch(re.sub(r"[\s\-]+", "_", name.strip().lower())) is not None
