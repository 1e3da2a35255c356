"""The check of a row on its own, while rows are streamed."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.errors import Problem
from batchgen.manifest.column_check import column_finding
from batchgen.manifest.column_names import column_problem
from batchgen.manifest.parameters import Parameters
from batchgen.manifest.row_rules import RowRules
from batchgen.manifest.rows import Row
from batchgen.manifest.values import Value

# Sizes and models repeat, pictures do not: remembering more distinct values than this saves nothing.
_MOST_KNOWN = 10_000


class RowCheck:
    """Called with every row, returns the row's problems.

    A set of column names, and a value of a parameter, is judged once and reported at its first row; a prompt is
    judged in every row. ``columns`` that were judged already are not judged again. ``notices`` are of columns that only
    look wrong.
    """

    def __init__(
        self,
        columns: tuple[str, ...] | None = None,
        parameters: Parameters | None = None,
        rules: RowRules | None = None,
    ) -> None:
        self._parameters = parameters or Parameters()
        self._known = frozenset(columns or ())
        self._rules = rules or RowRules()
        self.notices: list[Problem] = []
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._judged: dict[str, set[Value]] = {name: set() for name in (*self._parameters.names, "repeat")}

    def __call__(self, row: Row) -> list[Problem]:
        values = row.values
        shape = tuple(values)
        problems: list[Problem] = []
        checked = self._shapes.get(shape)
        if checked is None:
            checked, problems = self._judge_shape(shape, row)
        for name in checked:
            value = values[name]
            if value not in self._judged[name]:
                message = self._judge_value(name, value)
                if message:
                    problems.append(Problem(f"row {row.number}: {message}", row.place))
        return problems

    @property
    def names(self) -> frozenset[str]:
        """Every column that a row has had so far."""
        return self._known

    def checked(self, shape: tuple[str, ...]) -> frozenset[str]:
        """Return which values of the rows of that shape are looked at."""
        return frozenset(self._judged.keys() & {*shape})

    def _judge_shape(self, shape: tuple[str, ...], row: Row) -> tuple[tuple[str, ...], list[Problem]]:
        checked = tuple(name for name in shape if name in self._judged)
        if len(self._shapes) < _MOST_KNOWN:
            self._shapes[shape] = checked
        problems = list(self._name_problems(shape, row))
        self._known |= frozenset(shape)
        return checked, problems

    def _name_problems(self, shape: tuple[str, ...], row: Row) -> Iterator[Problem]:
        for name in shape:
            if name in self._known:
                continue
            if message := column_problem(name, self._parameters.types):
                yield Problem(f"row {row.number}: {message}", row.place)
            elif found := column_finding(name, self._rules):
                told = Problem(f"row {row.number}: {found.message}", row.place, found.suggestion)
                if found.refused:
                    yield told
                else:
                    self.notices.append(told)

    def _judge_value(self, name: str, value: Value) -> str | None:
        message = self._parameters.check(name, value)
        judged = self._judged[name]
        if name != "prompt" and len(judged) < _MOST_KNOWN:
            judged.add(value)
        return message
