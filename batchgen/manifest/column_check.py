"""The check of a column's name: one that reads like a request parameter would silently not be sent."""

from __future__ import annotations

from dataclasses import dataclass

from batchgen.manifest.look_alikes import foreign_letter, look_alike, near_parameter
from batchgen.manifest.row_rules import RowRules
from batchgen.wording import shown


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """What a column's name reads like; ``refused`` if that is a mistake, else it is only told."""

    message: str
    suggestion: str
    refused: bool


def column_finding(name: str, rules: RowRules) -> ColumnFinding | None:
    """Return what is odd about a column's name; ``None`` if it is sent, meant, used or like no parameter."""
    if name in rules.parameters or name == "repeat" or name in rules.columns or name in (rules.in_prompt or ()):
        return None
    word = name if name.isprintable() and "," not in name else "…"
    own = f"if it is a column of your own: `columns: [{word}]`, or --columns {shown(word) if ' ' in word else word}"
    if meant := look_alike(name, rules.parameters):
        message = f"the column {_written(name)} reads like the parameter '{meant}' and would not be sent"
        return ColumnFinding(message, f"rename it to '{meant}'; {own}", refused=True)
    if name not in rules.in_path and (advice := near_parameter(name, rules.parameters)):
        # A manifest has keys of these names, and a table columns.
        advice = advice.replace(":'", "'")
        return ColumnFinding(f"the column {_written(name)} is not sent", f"{advice}; {own}", refused=False)
    return None


def _written(name: str) -> str:
    letter = foreign_letter(name)
    return f"{shown(name)} (with {letter})" if letter else shown(name)
