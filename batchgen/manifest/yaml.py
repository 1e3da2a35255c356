"""YAML in which every plain scalar is text, every value has its line, and no object is ever constructed.

Refused are tags, anchors, aliases and merge keys, duplicate keys, several documents and nesting beyond 50.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.document import DataPath, Document, Mistake
from batchgen.manifest.yaml_comments import cut_off
from batchgen.manifest.yaml_hints import hint
from batchgen.wording import printable, shown

DEEPEST = 50

_NULLS = frozenset({"", "~", "null"})
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def read_yaml(text: str, file: str) -> Document:
    """Return the one mapping that ``text`` holds. Raises :class:`ManifestError` with every refusal and its line."""
    document, problems = read_judgeable_yaml(text, file)
    if problems:
        raise ManifestError(problems)
    return document


def read_judgeable_yaml(text: str, file: str) -> tuple[Document, list[Problem]]:
    """Return what ``text`` says without what is refused, and the refusals, so that all else can be judged too.

    Raises :class:`ManifestError` if the refusals leave no clear meaning.
    """
    builder = _Builder(text)
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, file) from None
    except yaml.reader.ReaderError as error:
        raise _character_error(error, text, file) from None
    except _CannotGoOnError:
        builder.is_clear = False
    data = builder.data if isinstance(builder.data, dict) else {}
    document = Document(file, data, builder.lines, cut=builder.cut)
    findings = builder.findings or _wrong_top(builder.data)
    if builder.findings and builder.is_clear and document.data:
        return document, _at_lines(document, findings)
    if findings:
        raise ManifestError(_at_lines(document, findings))
    return document, []


class _CannotGoOnError(Exception):
    """The rest of the text has no meaning; the findings so far are reported."""


@dataclass(slots=True)
class _Open:
    """A list or mapping that has begun and not ended yet."""

    into: Any
    path: DataPath
    key: str | None = None


@dataclass(slots=True)
class _Builder:
    """Builds data from the parser's events with a stack of its own, so that no depth of input can exhaust Python's."""

    text: str
    data: object = None
    lines: dict[DataPath, int] = field(default_factory=dict)
    cut: dict[DataPath, str] = field(default_factory=dict)
    findings: list[tuple[int, Mistake]] = field(default_factory=list)
    is_clear: bool = True
    _stack: list[_Open] = field(default_factory=list)
    _documents: int = 0

    def take(self, event: yaml.Event) -> None:
        line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            self._scalar(event, line)
        elif isinstance(event, yaml.CollectionStartEvent):
            self._begin(event, line)
        elif isinstance(event, yaml.CollectionEndEvent):
            self._stack.pop()
        elif isinstance(event, yaml.AliasEvent):
            self._find(
                line, f"the alias '*{printable(str(event.anchor))}' is refused", "quote a text that begins with '*'"
            )
            self.is_clear = False
            self._put(None, line)
        elif isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._find(line, "one document is expected; a second one begins here", "remove the line '---'")
                raise _CannotGoOnError

    def _scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._refuse_marks(event, line)
        text: str = event.value
        unwritable = _UNWRITABLE.search(text)
        if unwritable:
            where = f"character {unwritable.start() + 1} of this text is {shown(unwritable[0])}"
            self._find(line, f"{where}, which can't be written to a file")
            text = _UNWRITABLE.sub("", text)
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.into, dict) and top.key is None:
            self._key(top, text, line, plain=not event.style)
        else:
            path = self._put(None if not event.style and text in _NULLS else text, line)
            end = event.end_mark.index if event.end_mark and not event.style else len(self.text)
            if lost := cut_off(self.text, end):
                self.cut[path] = lost

    def _key(self, top: _Open, name: str, line: int, *, plain: bool) -> None:
        path = (*top.path, name)
        if plain and name == "<<":
            self.is_clear = False
            self._find(line, "the merge key '<<' is refused", "write the settings out")
        elif plain and name in _NULLS:
            self.is_clear = False
            self._find(line, "a key has no name")
        elif path in self.lines:
            self._find(line, f"duplicate key {shown(name)}; it also stands on line {self.lines[path]}")
        self.lines.setdefault(path, line)
        top.key = name

    def _begin(self, event: yaml.CollectionStartEvent, line: int) -> None:
        self._refuse_marks(event, line)
        if len(self._stack) >= DEEPEST:
            self._find(line, f"nested more than {DEEPEST} deep")
            raise _CannotGoOnError
        top = self._stack[-1] if self._stack else None
        if top is not None and isinstance(top.into, dict) and top.key is None:
            self._find(line, "a key must be a plain text", "quote a text that begins with '{' or '['")
            raise _CannotGoOnError
        into: object = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._stack.append(_Open(into, self._put(into, line)))

    def _put(self, value: object, line: int) -> DataPath:
        """Put the value into its list or mapping and return its path; of a duplicate key the first value stays."""
        if not self._stack:
            self.data = value
            return ()
        top = self._stack[-1]
        if isinstance(top.into, dict):
            if top.key is None:
                self._find(line, "a key must be a plain text")
                raise _CannotGoOnError
            path: DataPath = (*top.path, top.key)
            if top.key in top.into:
                # Keys below a duplicate key must not count as duplicates too.
                path = (*path, f"again on line {line}")
            top.into.setdefault(top.key, value)
            top.key = None
            return path
        path = (*top.path, len(top.into))
        top.into.append(value)
        self.lines[path] = line
        return path

    def _refuse_marks(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent, line: int) -> None:
        if event.tag is not None:
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            self._find(line, f"the tag {shown(tag)} is refused; every value is text", "remove the tag")
        if event.anchor is not None:
            self._find(line, f"the anchor '&{printable(event.anchor)}' is refused", "write the value out at each use")

    def _find(self, line: int, message: str, suggestion: str = "") -> None:
        self.findings.append((line, Mistake((), message, suggestion)))


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _wrong_top(data: object) -> list[tuple[int, Mistake]]:
    if isinstance(data, dict) and data:
        return []
    if data is None or data == {}:
        return [(0, Mistake((), "the job file is empty: nothing to generate", "'batchgen init' writes a starter"))]
    suggestion = "put it under 'rows:'" if isinstance(data, list) else "begin with 'prompt: …'"
    return [(1, Mistake((), f"a mapping such as 'prompt: …' is expected, found {shown(data)}", suggestion))]


def _at_lines(document: Document, findings: list[tuple[int, Mistake]]) -> list[Problem]:
    file = printable(document.file)
    return [Problem(found.message, f"{file}:{line}" if line else file, found.suggestion) for line, found in findings]


def _syntax_error(error: yaml.MarkedYAMLError, text: str, file: str) -> ManifestError:
    mark = error.problem_mark or error.context_mark
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    marks = [one.line for one in (error.problem_mark, error.context_mark) if one is not None]
    lines = text.split("\n")
    # A text that ends too early is noticed behind it, perhaps on the next line.
    written = [lines[number] for one in marks for number in (one, one - 1) if 0 <= number < len(lines)]
    place = f"{printable(file)}:{line}:{column}"
    return ManifestError(
        [Problem(f"no YAML: {error.problem or error.context}", place, hint(str(error.problem), *written))]
    )


def _character_error(error: yaml.reader.ReaderError, text: str, file: str) -> ManifestError:
    found = re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x80-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]", text)
    position = found.start() if found else 0
    line = text.count("\n", 0, position) + 1
    column = position - (text.rfind("\n", 0, position) + 1) + 1
    character = shown(found[0]) if found else "a character"
    # Every second byte of plain words in UTF-16 is a NUL.
    hint = "is the file UTF-16? save it as UTF-8" if "\0" in text[:2] else ""
    place = f"{printable(file)}:{line}:{column}"
    return ManifestError([Problem(f"no YAML: {character} {error.reason}", place, hint)])
