"""JSON as text, for SQLite's ``json_each`` and for lines of output."""

from __future__ import annotations

import msgspec


def json_text(value: object) -> str:
    """Return ``value`` as JSON without white space."""
    return msgspec.json.encode(value).decode()
