"""Which requests of a plan a run is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from batchgen.request import Request, State


@dataclass(frozen=True, slots=True)
class Selection:
    """Which requests of a plan a run is about. ``again`` are the states the user asked to send once more.

    ``missing`` says that requests whose files are gone are to be bought again too. ``keys``, if given, are the only
    requests; the requests ``besides`` were seen to already.
    """

    again: frozenset[State] = frozenset()
    missing: bool = False
    limit: int | None = None
    only: Mapping[str, str] | None = None
    keys: frozenset[str] | None = None
    besides: frozenset[str] = frozenset()

    @property
    def takes_all(self) -> bool:
        """Return whether the selection reads a plan to its end, and leaves out nothing of the plan."""
        return self.limit is None and self.only is None and self.keys is None

    def takes(self, request: Request) -> bool:
        """Return whether the request has every value that ``only`` asks for, as an axis, a parameter or a column."""
        if request.key in self.besides or (self.keys is not None and request.key not in self.keys):
            return False
        return self.only is None or all(value == value_of(request, name) for name, value in self.only.items())


def value_of(request: Request, name: str) -> str | None:
    """Return the value of a request's axis, parameter or column of that name; of an axis with titles, the title."""
    if name == "model":
        return request.model
    if name == "repeat":
        return str(request.repeat)
    return request.axes.get(name) or request.parameters.get(name) or request.columns.get(name)
