"""Rows of a text file: every line that is neither blank nor a comment is a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from batchgen.manifest.row_files import RowFile, open_text
from batchgen.manifest.rows.interface import Row, file_fingerprint
from batchgen.manifest.text_files import not_utf8
from batchgen.manifest.text_lines import is_comment


@dataclass(frozen=True, slots=True)
class TextRows:
    """One row with a ``prompt`` per line of ``path``, without the spaces around it."""

    path: RowFile
    file: str

    @property
    def columns(self) -> tuple[str, ...]:
        return ("prompt",)

    def __iter__(self) -> Iterator[Row]:
        number = 0
        try:
            with open_text(self.path) as lines:
                for line, text in enumerate(lines, start=1):
                    prompt = text.strip()
                    if prompt and not is_comment(prompt):
                        number += 1
                        yield Row(number, self.file, line, {"prompt": prompt})
        except UnicodeDecodeError:
            raise not_utf8(self.path, self.file) from None

    def count(self) -> int:
        try:
            with open_text(self.path) as lines:
                return sum(1 for line in map(str.strip, lines) if line and not is_comment(line))
        except UnicodeDecodeError:
            raise not_utf8(self.path, self.file) from None

    def fingerprint(self) -> str:
        return file_fingerprint(self.path)
