"""Whether ``--only`` means anything: a value that no request has would pass for a night on which nothing changed."""

from __future__ import annotations

from collections.abc import Mapping

from batchgen.errors import UsageError, nearest
from batchgen.plan.plan import Plan
from batchgen.request import Request
from batchgen.run.feeder import Selection, value_of

# So many values of one name are listed, and so many are kept to find the nearest among.
_LISTED = 8
_KEPT = 10_000


def refuse_no_match(plan: Plan, selection: Selection) -> None:
    """Raises :class:`UsageError` where no request of the plan has what ``selection.only`` asks for."""
    if not selection.only:
        return
    known: dict[str, None] = {}
    values: dict[str, dict[str, None]] = {name: {} for name in selection.only}
    for request in plan:
        if selection.takes(request):
            return
        known.update(dict.fromkeys(_names(request)))
        for name, found in values.items():
            if len(found) < _KEPT and (value := value_of(request, name)) is not None:
                found[value] = None
    raise UsageError(_why(selection.only, known, values))


def _names(request: Request) -> tuple[str, ...]:
    return ("model", "repeat", *request.axes, *request.parameters, *request.columns)


def _why(only: Mapping[str, str], known: Mapping[str, None], values: Mapping[str, Mapping[str, None]]) -> str:
    for name, value in only.items():
        asked, found = f"--only {name}={value}", values[name]
        if not found:
            hint = nearest(name, known) or f"there are {', '.join(known)}"
            return f"{asked}: no request has an axis, a parameter or a column {name!r}; {hint}"
        if value not in found:
            listed = ", ".join(map(repr, list(found)[:_LISTED])) + (" …" if len(found) > _LISTED else "")
            return f"{asked}: no request has that value; {nearest(value, found) or f'there are {listed}'}"
    return f"--only: no request has all of {', '.join(f'{name}={value}' for name, value in only.items())}"
