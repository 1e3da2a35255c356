"""The check of a row on its own, while rows are streamed."""

from __future__ import annotations

from collections.abc import Iterator

from batchgen.errors import Problem
from batchgen.manifest.column_names import column_problem
from batchgen.manifest.rows import Row
from batchgen.manifest.values import PARAMETERS, Value, check_value

# Sizes and models repeat, pictures do not: remembering more distinct values than this saves nothing.
_MOST_KNOWN = 10_000

_CHECKED = (*PARAMETERS, "repeat")


class RowCheck:
    """Called with every row, returns the row's problems.

    A set of column names, and a value of a parameter, is judged once and reported at its first row; a prompt is
    judged in every row. ``columns`` that were judged already are not judged again.
    """

    def __init__(self, columns: tuple[str, ...] | None = None) -> None:
        self._known = frozenset(columns or ())
        self._shapes: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._judged: dict[str, set[Value]] = {name: set() for name in _CHECKED}

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
        problems = [Problem(f"row {row.number}: {message}", row.place) for message in self._name_problems(shape)]
        self._known |= frozenset(shape)
        return checked, problems

    def _name_problems(self, shape: tuple[str, ...]) -> Iterator[str]:
        for name in shape:
            message = None if name in self._known else column_problem(name)
            if message:
                yield message

    def _judge_value(self, name: str, value: Value) -> str | None:
        message = check_value(name, value)
        judged = self._judged[name]
        if name != "prompt" and len(judged) < _MOST_KNOWN:
            judged.add(value)
        return message
