"""Rows of a text file: every line that is not blank is a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from batchgen.manifest.rows.interface import Row, file_fingerprint
from batchgen.manifest.text_files import not_utf8


@dataclass(frozen=True, slots=True)
class TextRows:
    """One row with a ``prompt`` per line of ``path``, without the spaces around it."""

    path: Path
    file: str

    @property
    def columns(self) -> tuple[str, ...]:
        return ("prompt",)

    def __iter__(self) -> Iterator[Row]:
        number = 0
        try:
            with self.path.open(encoding="utf-8-sig") as lines:
                for line, text in enumerate(lines, start=1):
                    prompt = text.strip()
                    if prompt:
                        number += 1
                        yield Row(number, self.file, line, {"prompt": prompt})
        except UnicodeDecodeError:
            raise not_utf8(self.path, self.file) from None

    def count(self) -> int:
        try:
            with self.path.open(encoding="utf-8-sig") as lines:
                return sum(1 for line in lines if line.strip())
        except UnicodeDecodeError:
            raise not_utf8(self.path, self.file) from None

    def fingerprint(self) -> str:
        return file_fingerprint(self.path)
