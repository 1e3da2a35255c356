"""A request, and why it would be sent or not, as text for people."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from batchgen.manifest.look_alikes import are_alike
from batchgen.wording import counted, named_blanks, visible

if TYPE_CHECKING:
    from batchgen.planning.reasons import Explained, FieldChange
    from batchgen.store.ledger.plan_diff import Orphan, Orphans


# Two values of this length fit a terminal of 80 columns, with all that stands before them.
_IN_A_LIST = 20


def line(one: Explained) -> str:
    """Return ``12 9f3c21ab changed  prompt: "a red mug" → "a blue mug"``: row, key, reason, difference."""
    from batchgen.planning.reasons import Reason

    request = one.request
    said = (
        "; ".join(difference(found, longest=_IN_A_LIST) for found in one.relative.differences)
        if one.relative
        else _asked(one)
    )
    reason = one.reason.value if one.reason is not Reason.PAID else "paid"
    return f"  {request.row:>6} {request.key[:8]} {reason:<8} {said}"


def difference(found: FieldChange, *, longest: int = 60) -> str:
    """Return ``prompt: "a red mug" → "a blue mug"``, cut around the difference to ``longest`` characters each."""
    from batchgen.planning.reasons import shortened

    if found.before is None or found.now is None:
        given = found.now if found.now is not None else found.before
        value = visible(shortened(given or "", "")[0])
        return f"{visible(found.field)}: {'none' if found.before is None else _quoted(value)} → " + (
            "none" if found.now is None else _quoted(value)
        )
    before, now = map(named_blanks, shortened(found.before, found.now, longest=longest))
    letters = _letters(found.before, found.now)
    return f"{visible(found.field)}: {_quoted(before)} → {_quoted(now)}{letters}"


def _letters(before: str, now: str) -> str:
    """Return the first two letters in which texts of one look differ, by their names."""
    pair = next(((one, other) for one, other in zip(before, now, strict=False) if one != other), None)
    if pair is None or not are_alike(before, now):
        return ""
    names = (f"U+{ord(one):04X} {unicodedata.name(one, 'without a name').lower()}" for one in pair)
    return f" ({' → '.join(names)})"


def orphan_lines(orphans: Orphans | None) -> list[str]:
    """Return how many stored requests the manifest no longer asks for, and lines for the first of them."""
    if orphans is None or not orphans.count:
        return []
    who = counted(orphans.count, "stored request is", "stored requests are")
    whose = "its name" if orphans.count == 1 else "their names"
    lines = [f"{who} no longer in the manifest; `batchgen prune` takes {whose} away:"]
    lines += [f"  {_orphan(one)}" for one in orphans.first]
    if orphans.count > len(orphans.first):
        lines.append(f"  … and {orphans.count - len(orphans.first):,} more")
    if orphans.kept:
        lines.append(f"  of these, {kept(orphans)}")
    return lines


def kept(orphans: Orphans) -> str:
    """Return how many pictures stand until others are bought: the name of a site's picture is never empty."""
    what = "its replacement is" if orphans.kept == 1 else "their replacements are"
    return f"{counted(orphans.kept, 'picture')} kept until {what} stored"


def _orphan(one: Orphan) -> str:
    return f"{one.key[:8]} {visible(one.file or '')} {_quoted(visible(one.prompt[:60]))}"


def _asked(one: Explained) -> str:
    request = one.request
    prompt = visible(request.parameters.get("prompt", ""))
    others = " ".join(f"{name}={value}" for name, value in request.parameters.items() if name != "prompt")
    return f"{visible(request.model)} {_quoted(prompt)} {visible(others)}".rstrip()


def _quoted(text: str) -> str:
    return f'"{text}"'
