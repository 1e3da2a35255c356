"""The check of the cells of rows: what a spreadsheet, a program or a wrong encoding left in them.

It sees every cell of a file that may have a million rows, so cells that are plain text are passed by with a few
searches for single characters; everything else is kept out of that path. What is found is told once for all rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Self

from batchgen.errors import Problem
from batchgen.manifest.cell_texts import (
    ERROR_MARKS,
    braces_in,
    is_quoted_after_blank,
    is_swallowing,
    lost_letter,
    missing_value,
    undone_encoding,
)
from batchgen.manifest.meant import Meant, unless
from batchgen.manifest.row_rules import RowRules
from batchgen.manifest.rows import CsvRows, Row, Rows
from batchgen.manifest.values import Value
from batchgen.wording import shown

# Row numbers that are shown of one mistake.
_SHOWN_ROWS = 5
# Different mistakes that are remembered; a file with more of them is broken in another way.
_MOST_KINDS = 200
# Every word for a missing value is shorter; longer ones begin with a character of their own.
_LONGEST_WORD = 12
# Categories and the like stand in many rows: more of them than this are judged anew.
_MOST_KNOWN = 10_000


@dataclass(slots=True)
class _Group:
    """The rows in which one thing was found."""

    place: str
    suggestion: str
    rows: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, number: int) -> None:
        self.count += 1
        if len(self.rows) < _SHOWN_ROWS:
            self.rows.append(number)

    def told(self, message: str) -> Problem:
        """Return ``rows 2, 3: message`` at the place of the first row."""
        numbers = ", ".join(map(str, self.rows))
        more = f" and {self.count - len(self.rows):,} more" if self.count > len(self.rows) else ""
        return Problem(f"row{'' if self.count == 1 else 's'} {numbers}{more}: {message}", self.place, self.suggestion)


@dataclass(frozen=True, slots=True)
class _Shape:
    """What is looked at in rows with the same columns: ``first`` of all the one that a repeated header shows in."""

    first: str
    sent: tuple[str, ...]
    needs_prompt: bool


class CellCheck:
    """Called with every row and its columns, returns whether its cells are sound; findings are asked for at the end.

    ``columns`` are known of a table, and ``delimiter`` of one whose cells may have swallowed others.
    """

    def __init__(self, rules: RowRules, columns: tuple[str, ...], delimiter: str | None) -> None:
        self._rules, self._delimiter, self._columns = rules, delimiter, columns
        self._words: set[Value] = set()
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._mistakes: dict[str, _Group] = {}
        self._notices: dict[str, _Group] = {}

    @classmethod
    def of(cls, rows: Rows | tuple[()], rules: RowRules) -> Self:
        """Return the check for the cells of these rows."""
        columns = () if isinstance(rows, tuple) else rows.columns or ()
        return cls(rules, columns, rows.delimiter if isinstance(rows, CsvRows) else None)

    def __call__(self, row: Row, names: tuple[str, ...]) -> bool:
        values = row.values
        shape = self._shapes.get(names) or self._shape_of(names, row)
        if values.get(shape.first) == shape.first and self._repeats_header(row):
            return False
        sound = not shape.needs_prompt or self._has_prompt(row)
        for name in shape.sent:
            value = values[name]
            if len(value) <= _LONGEST_WORD or value[0] in ERROR_MARKS:
                sound = (value in self._words or self._is_a_value(row, name, value)) and sound
        try:
            text = "\0".join(values.values())  # type: ignore[arg-type]  # a list of pictures is looked at below
        except TypeError:
            return self._look(row, shape) and sound
        if text.isascii() and "{" not in text and "\n" not in text and '"' not in text:
            return sound
        return self._look(row, shape) and sound

    def mistakes(self) -> list[Problem]:
        """Return the mistakes of all rows so far, each once with the rows it is in."""
        return [group.told(message) for message, group in self._mistakes.items()]

    def notices(self) -> list[Problem]:
        """Return what only looks wrong."""
        return [group.told(message) for message, group in self._notices.items()]

    def _shape_of(self, names: tuple[str, ...], row: Row) -> _Shape:
        rules = self._rules
        if not self._columns:
            self._templates(row)
        used = {*rules.in_path, *(("prompt",) if rules.in_prompt is None else rules.in_prompt)}
        shape = _Shape(
            first=names[0] if names else "",
            sent=tuple(name for name in names if name in used and name not in rules.above and name != "image"),
            needs_prompt=self._delimiter is not None
            and rules.own_prompts
            and "prompt" in self._columns
            and "prompt" not in {*names, *rules.variables}
            and ("image" not in {*names, *rules.variables} or rules.in_prompt is not None),
        )
        if len(self._shapes) < _MOST_KINDS:
            self._shapes[names] = shape
        return shape

    def _templates(self, row: Row) -> None:
        """Note what the templates leave out of rows that each have columns of their own."""
        rules = self._rules
        for word in rules.braced if rules.refuses(Meant.BRACES) else ():
            if word in row.values:
                found = f"a template writes {{{word}}} in braces instead of filling in the row's {shown(word)}"
                self._refuse(row, found, unless(Meant.BRACES, f"write {{{word}}} with one brace on each side"))
        if rules.in_prompt == () and "prompt" in row.values and rules.refuses(Meant.PROMPTS):
            found = "the row's prompt is never sent: the template names no column, and is the same for every row"
            self._refuse(row, found, unless(Meant.PROMPTS, "name {prompt} in it, or remove it"))

    def _has_prompt(self, row: Row) -> bool:
        """Note that the row's cell of the column `prompt` is empty: a reader leaves such a parameter out."""
        return self._refuse(row, "the cell of 'prompt' is empty", "write a prompt there, or delete the row")

    def _repeats_header(self, row: Row) -> bool:
        if not self._rules.refuses(Meant.HEADER_ROWS) or any(name != value for name, value in row.values.items()):
            return False
        self._refuse(row, "this row repeats the header", unless(Meant.HEADER_ROWS, "delete it"))
        return True

    def _is_a_value(self, row: Row, name: str, value: Value) -> bool:
        """Return whether a value that is sent, or names a file, is more than the word for a missing one."""
        if not isinstance(value, str):
            return True
        word = missing_value(value)
        if word is None or not self._rules.refuses(Meant.EMPTY_VALUES):
            if len(self._words) < _MOST_KNOWN:
                self._words.add(value)
            return True
        if name == "prompt" and not value.strip():
            # Told by the rules of a prompt, in whose words it is blank.
            return True
        if name != "prompt":
            found = f"{shown(name)} is {word}, and a template uses {{{name}}}"
        else:
            found = f"the prompt is {word}, which a spreadsheet or a program writes for a missing value"
        return self._refuse(row, found, unless(Meant.EMPTY_VALUES, "fill the cell, or delete the row"))

    def _look(self, row: Row, shape: _Shape) -> bool:
        """Look closely at every cell of a row that is not plain text."""
        sound = True
        for name, value in _texts(row.values):
            if not value.isascii():
                sound &= self._letters(row, name, value)
            if "{" in value and name in shape.sent:
                sound &= self._braces(row, name, value)
            if self._delimiter is not None:
                sound &= self._quotes(row, name, value)
                if "\n" in value and is_swallowing(value, self._delimiter, len(self._columns)):
                    told = f"the cell of {shown(name)} holds whole rows of the table: {shown(value)}"
                    self._tell(row, told, "is a quote unbalanced?")
        return sound

    def _letters(self, row: Row, name: str, value: str) -> bool:
        if (meant := undone_encoding(value)) is not None:
            told = f"{shown(name)} looks like UTF-8 that was read in another encoding: {shown(value)}"
            self._tell(row, told, f"was {shown(meant)} meant?" if meant else "open and save the file as UTF-8")
        where = lost_letter(value)
        if not where or not self._rules.refuses(Meant.LOST_LETTERS):
            return True
        found = f"{shown(name)} holds U+FFFD at character {where}, which stands for a letter that was lost"
        return self._refuse(row, found, unless(Meant.LOST_LETTERS, "write the letter again, in a file saved as UTF-8"))

    def _braces(self, row: Row, name: str, value: str) -> bool:
        if not self._rules.refuses(Meant.BRACES):
            return True
        known = {*row.values, *self._columns, *self._rules.variables}
        for inner in braces_in(value):
            if inner in known:
                found = f"{{{inner}}} in the cell of {shown(name)} is not filled: only a template is"
                advice = f"give a template, such as --prompt '{{{name}}}, {{{inner}}}', or write the words out"
                return self._refuse(row, found, unless(Meant.BRACES, advice))
        return True

    def _quotes(self, row: Row, name: str, value: str) -> bool:
        if not is_quoted_after_blank(value) or not self._rules.refuses(Meant.QUOTES):
            return True
        found = f"{shown(name)} begins with a blank before its quote, which makes the quotes part of the text: "
        advice = f"write the quote right after the {shown(self._delimiter)}"
        return self._refuse(row, f"{found}{shown(value)}", unless(Meant.QUOTES, advice))

    def _refuse(self, row: Row, message: str, suggestion: str) -> bool:
        """Note a mistake of the row; return that the row is not sound."""
        _note(self._mistakes, row, message, suggestion)
        return False

    def _tell(self, row: Row, message: str, suggestion: str) -> None:
        _note(self._notices, row, message, suggestion)


def _note(groups: dict[str, _Group], row: Row, message: str, suggestion: str) -> None:
    group = groups.get(message)
    if group is None:
        if len(groups) >= _MOST_KINDS:
            return
        group = groups[message] = _Group(row.place, suggestion)
    group.add(row.number)


def _texts(values: Mapping[str, Value]) -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, str):
            yield name, value
