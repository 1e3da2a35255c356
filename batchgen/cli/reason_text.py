"""A request and the reason for what becomes of it, in words for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchgen.wording import visible

if TYPE_CHECKING:
    from batchgen.planning.reasons import Explained, FieldChange
    from batchgen.store.ledger.plan_diff import Orphan, Orphans


# Two values of this length and all that stands before them fit 80 columns.
_IN_A_LIST = 20


def line(one: Explained) -> str:
    """``12 9f3c21ab changed  prompt: "a red mug" → "a blue mug"``, for lists, by the number of its row."""
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
    """``prompt: "a red mug" → "a blue mug"``, cut to where they differ and to ``longest`` characters each."""
    from batchgen.planning.reasons import shortened

    if found.before is None or found.now is None:
        given = found.now if found.now is not None else found.before
        value = visible(shortened(given or "", "")[0])
        return f"{visible(found.field)}: {'none' if found.before is None else _quoted(value)} → " + (
            "none" if found.now is None else _quoted(value)
        )
    before, now = shortened(found.before, found.now, longest=longest)
    return f"{visible(found.field)}: {_quoted(visible(before))} → {_quoted(visible(now))}"


def orphan_lines(orphans: Orphans | None) -> list[str]:
    """How many stored requests the manifest no longer asks for, and the first of them."""
    if orphans is None or not orphans.count:
        return []
    many = orphans.count != 1
    who, whose = ("requests are", "their pictures") if many else ("request is", "its picture")
    lines = [f"{orphans.count:,} stored {who} no longer in the manifest; `batchgen prune` moves {whose} to the trash:"]
    lines += [f"  {_orphan(one)}" for one in orphans.first]
    if orphans.count > len(orphans.first):
        lines.append(f"  … and {orphans.count - len(orphans.first):,} more")
    return lines


def _orphan(one: Orphan) -> str:
    return f"{one.key[:8]} {visible(one.file or '')} {_quoted(visible(one.prompt[:60]))}"


def _asked(one: Explained) -> str:
    request = one.request
    prompt = visible(request.parameters.get("prompt", ""))
    others = " ".join(f"{name}={value}" for name, value in request.parameters.items() if name != "prompt")
    return f"{visible(request.model)} {_quoted(prompt)} {visible(others)}".rstrip()


def _quoted(text: str) -> str:
    return f'"{text}"'
