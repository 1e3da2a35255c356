"""The look through a ledger that was made in another place: a run folder may be a stranger's, and so may its values.

The tables hold their values to types and checks, unless whoever wrote them took those away for a moment.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

_PLACE = "place"


def is_at_home(db: sqlite3.Connection, path: Path) -> bool:
    """Return whether the ledger is the very file that was looked through before: a copy, or a restored one, is not."""
    return db.execute("SELECT 1 FROM facts WHERE name = ? AND value = ?", (_PLACE, _place(path))).fetchone() is not None


def settle_in(db: sqlite3.Connection, path: Path) -> None:
    """Remember that the ledger was looked through where it lies."""
    db.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (_PLACE, _place(path)))


def _place(path: Path) -> str:
    found = path.stat()
    return f"{found.st_dev}:{found.st_ino}"


def strange_value(db: sqlite3.Connection) -> str | None:
    """Return what is wrong if a value is none that batchgen writes. Raises ``sqlite3.DatabaseError`` for no text."""
    ((said, *_), *_) = db.execute("PRAGMA quick_check(1)").fetchall()
    if said != "ok":
        return str(said)
    for what, strange in _STRANGE.items():
        if db.execute(f"SELECT 1 FROM {strange} LIMIT 1").fetchone():  # noqa: S608 - rules of this module
            return f"it has {what} that batchgen does not write"
    for table, columns in _TEXT_COLUMNS.items():
        # SQLite keeps bytes that are no UTF-8 as a text all the same; only reading a text decodes its bytes.
        for _ in db.execute(f"SELECT {columns} FROM {table}"):  # noqa: S608 - names of this module
            pass
    return None


_TEXT_COLUMNS = {
    "requests": "provider, kind, model, canonical, columns, axes, stem, price_source, reason, message, reused_from",
    "shares": "key, columns, axes, stem",
    "attempts": "cost_source, cost_flag, reason, message",
    "pictures": "sha256, format, revised_prompt",
    "other_takes": "sha256, format, revised_prompt, reused_from, message",
    "names": "file",
    "runs": "version, manifest, provider, base_url, reason, orphans",
}


_KEY = "length({0}) = 32 AND {0} NOT GLOB '*[^0-9a-f]*'"
_ORIGINAL = (
    "substr({0}, 1, 3) = substr({0}, 4, 2) || '/' AND substr({0}, 4, 32) NOT GLOB '*[^0-9a-f]*'"
    " AND substr({0}, 36) GLOB '-[1-9]*.[a-z0-9][a-z0-9]*' AND substr({0}, 37) NOT GLOB '*[^0-9a-z.]*'"
)
_ANSWER = "substr({0}, 1, 32) NOT GLOB '*[^0-9a-f]*' AND substr({0}, 33) GLOB '-[1-9]*.body' AND length({0}) < 58"
_NAME = (
    "{0} GLOB 'images/?*' AND {0} NOT GLOB '*/.*' AND {0} NOT GLOB '*//*' AND {0} NOT GLOB '*/'"
    " AND NOT instr({0}, char(92))"
)
_TEXTS = (
    "json_valid({0}) AND json_type({0}) IS 'object' AND NOT EXISTS (SELECT 1 FROM json_each({0}) WHERE type <> 'text')"
)
_CANONICAL = (
    "json_valid({0}) AND json_type({0}, '$.parameters') IS 'object'"
    " AND NOT EXISTS (SELECT 1 FROM json_each({0}, '$.parameters') WHERE type <> 'text')"
)
_RATES = (
    "json_valid({0}) AND json_type({0}) IS 'object' AND json_type({0}, '$.image_out') IS 'integer'"
    " AND NOT EXISTS (SELECT 1 FROM json_each({0}) WHERE type <> 'null' AND (type <> 'integer' OR value < 0))"
)
_TOKENS = "{0} BETWEEN 0 AND 1000000000"
# A billion dollars: sums of a million of them stay whole numbers.
_MONEY = "{0} BETWEEN 0 AND 1000000000000000"


def _not(rule: str, *columns: str) -> str:
    return " OR ".join(f"NOT ({rule.format(column)})" for column in columns)


_STRANGE = {
    "states": "requests WHERE state NOT IN ('waiting', 'sent', 'answered', 'stored', 'refused', 'spoiled', 'in doubt')",
    "outcomes": "attempts WHERE outcome NOT IN ('sent', 'billed', 'not billed', 'in doubt')",
    "keys": f"requests WHERE {_not(_KEY, 'key')}",
    "names": f"names WHERE {_not(_NAME, 'file')}",
    "originals": f"pictures WHERE {_not(_ORIGINAL, 'original')}",
    "originals of other takes": f"other_takes WHERE {_not(_ORIGINAL, 'original')}",
    "originals of names": f"names WHERE held IS NOT NULL AND ({_not(_ORIGINAL, 'held')})",
    "answers": f"requests WHERE answer IS NOT NULL AND ({_not(_ANSWER, 'answer')})",
    "columns": f"requests WHERE {_not(_TEXTS, 'columns', 'axes')}",
    "columns of shared rows": f"shares WHERE {_not(_TEXTS, 'columns', 'axes')}",
    "requests": f"requests WHERE {_not(_CANONICAL, 'canonical')}",
    "money": "attempts WHERE "
    + _not(_MONEY, "reserved_microusd", "billed_microusd", "maybe_microusd", "estimated_microusd"),
    "estimates": f"requests WHERE estimate_microusd IS NOT NULL AND ({_not(_MONEY, 'estimate_microusd')})",
    "rates of tokens": f"requests WHERE token_rates IS NOT NULL AND NOT ({_RATES.format('token_rates')})",
    "counts of tokens": "attempts WHERE " + _not(_TOKENS, "input_tokens", "output_tokens"),
    "usage": "attempts WHERE usage IS NOT NULL AND NOT json_valid(usage)",
    "ends of runs": "runs WHERE NOT json_valid(coalesce(orphans, '{}'))",
}
