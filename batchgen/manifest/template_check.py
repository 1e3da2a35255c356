"""The checks of what templates do with the rows below them, and of the texts that a manifest itself puts into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from batchgen.errors import nearest
from batchgen.manifest.build import parameters_of
from batchgen.manifest.cell_texts import braces_in, lost_letter, missing_value, undone_encoding
from batchgen.manifest.checks import axis_paths, settings_of
from batchgen.manifest.document import DataPath, Document, Mistake
from batchgen.manifest.jobfile import JobFile
from batchgen.manifest.meant import Meant, unless
from batchgen.manifest.row_rules import RowRules
from batchgen.manifest.schema_errors import dotted
from batchgen.manifest.template import Template, TemplateError, braced_words, names_in
from batchgen.manifest.yaml_comments import is_free_text
from batchgen.wording import shown

# Of shells, Python, Mustache without braces, and people: ${style}, $style, %(style)s, <style>, [style].
_OTHER_MARKS = re.compile(r"\$\{?(\w+)\}?|%\((\w+)\)s?|<\s*(\w+)\s*>|\[\s*(\w+)\s*\]")

_PATH_NAMES = frozenset({"repeat", "row", "key", "model"})


@dataclass(frozen=True, slots=True)
class TemplateCheck:
    """The check of one job file; ``columns`` are the names of its rows' cells, as far as they are known."""

    job: JobFile
    document: Document
    rules: RowRules
    columns: tuple[str, ...]

    def mistakes(self) -> Iterator[Mistake]:
        """Yield each mistake unless the manifest means its kind."""
        found = {
            Meant.COMMENTS: self._comments,
            Meant.BRACES: self._braces,
            Meant.PROMPTS: self._idle_prompts,
            Meant.EMPTY_VALUES: self._missing_values,
            Meant.LOST_LETTERS: self._lost_letters,
        }
        for kind, mistakes in found.items():
            if self.rules.refuses(kind):
                yield from mistakes()

    def notices(self) -> Iterator[Mistake]:
        """Yield what only looks wrong."""
        for path, text in self._texts():
            if (meant := undone_encoding(text)) is not None:
                told = f"{dotted(path)} looks like UTF-8 that was read in another encoding: {shown(text)}"
                yield Mistake(path, told, f"was {shown(meant)} meant?" if meant else "save the file as UTF-8")
        yield from self._other_marks()
        names = self.rules.in_prompt
        if names and "prompt" in self.columns and "prompt" not in names:
            told = "the rows have prompts of their own, and the template uses none of them"
            yield Mistake(("prompt",), told, "name {prompt} in it")
        for index, name in enumerate(self.job.columns if self.columns else ()):
            if name not in {*self.columns, *self.rules.variables}:
                told = f"columns names {shown(name)}, and the rows have no such column"
                yield Mistake(("columns", index), told, nearest(name, self.columns))

    def _other_marks(self) -> Iterator[Mistake]:
        """Yield the names of columns in the marks of other programs' templates."""
        known = {*self.columns, *self.rules.variables}
        for path, text in ((("prompt",), self.job.prompt), (("output", "path"), self.job.output.path)):
            for found in _OTHER_MARKS.finditer(text or ""):
                if (name := next(filter(None, found.groups()))) in known:
                    told = f"{dotted(path)} holds {shown(found[0])}, whose marks stay in the text"
                    yield Mistake(path, told, f"write {{{name}}} to fill in {shown(name)}")

    def _comments(self) -> Iterator[Mistake]:
        for path, lost in self.document.cut.items():
            # A flag may stand in the place of the value, and rows in the place of a broken part.
            if is_free_text(path) and not self.document.place(path).startswith("--"):
                found = f"a comment begins inside {dotted(path)}: {shown(lost)} is left out"
                yield Mistake(path, found, unless(Meant.COMMENTS, "put the whole text in quotes"))

    def _braces(self) -> Iterator[Mistake]:
        known = {*self.columns, *self.rules.variables, *(name for _, name in axis_paths(self.job))}
        templates = (
            (("prompt",), self.job.prompt, known),
            (("output", "path"), self.job.output.path, known | _PATH_NAMES),
        )
        for path, text, names in templates:
            for word in dict.fromkeys(braced_words(text)):
                if word in names:
                    found = f"{dotted(path)} writes {{{word}}} in braces instead of filling in {shown(word)}"
                    yield Mistake(path, found, unless(Meant.BRACES, f"write {{{word}}} with one brace on each side"))
        for place, name, value in self._values():
            word = next((inner for inner in braces_in(value) if inner in known), "") if "{" in value else ""
            if word:
                found = f"{{{word}}} in {dotted(place)} is not filled: only 'prompt:' and 'output.path:' are templates"
                yield Mistake(place, found, unless(Meant.BRACES, f"name {{{name}}} and {{{word}}} in 'prompt:'"))

    def _idle_prompts(self) -> Iterator[Mistake]:
        if self.rules.in_prompt == () and "prompt" in self.columns and "prompt" not in self.rules.above:
            found = "this prompt names no column, so every row has the same one and its own is never sent"
            yield Mistake(("prompt",), found, unless(Meant.PROMPTS, "name {prompt} in it, or remove it"))

    def _missing_values(self) -> Iterator[Mistake]:
        for path, name, text in self._values():
            if (word := missing_value(text)) and not (name == "prompt" and word == "empty"):
                found = f"{dotted(path)} is {word}, and a template uses {{{name}}}"
                yield Mistake(path, found, unless(Meant.EMPTY_VALUES, "give it a text"))

    def _lost_letters(self) -> Iterator[Mistake]:
        for path, text in self._texts():
            if where := lost_letter(text):
                found = f"{dotted(path)} holds U+FFFD at character {where}, which stands for a letter that was lost"
                yield Mistake(path, found, unless(Meant.LOST_LETTERS, "write the letter again"))

    def _texts(self) -> Iterator[tuple[DataPath, str]]:
        if self.job.prompt is not None:
            yield ("prompt",), self.job.prompt
        for path, _, text in self._values():
            yield path, text

    def _values(self) -> Iterator[tuple[DataPath, str, str]]:
        """Yield the values of defaults and axes that a template or a prompt is made of."""
        used = {*(self.rules.in_prompt or ()), *self.rules.in_path}
        used |= {"prompt"} if self.rules.in_prompt is None else set()
        for path, name, value in settings_of(self.job):
            if isinstance(value, str) and name in used:
                yield path, name, value


def rules_of(job: JobFile, flags: Iterable[str] = ()) -> RowRules:
    """Return the rules of a job file; ``flags`` are the parameters that were given on the command line."""
    axes = {name for name, values in job.matrix.items() if isinstance(values, list)}
    zipped = {name for members in job.zip for name in members}
    return RowRules(
        in_prompt=None if job.prompt is None else _needed(job.prompt),
        in_path=names_in(job.output.path),
        braced=(*braced_words(job.prompt), *braced_words(job.output.path)),
        variables=frozenset(name for _, name, _ in settings_of(job)),
        above=frozenset({*axes, *zipped, *flags}),
        parameters=parameters_of(job).names,
        columns=tuple(job.columns),
        meant=tuple(job.meant),
    )


def _needed(prompt: str) -> tuple[str, ...]:
    try:
        return Template(prompt).names
    except TemplateError:
        # Of a template with a mistake nobody knows that it leaves out the rows' own prompts.
        return ("prompt",)
