"""From a job file to a Manifest, or to every mistake in it at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.axis_sources import listed
from batchgen.manifest.build import frozen, inline_rows, parameters_of
from batchgen.manifest.cell_check import CellCheck
from batchgen.manifest.checks import findings, settings_of
from batchgen.manifest.column_check import column_finding
from batchgen.manifest.cross_checks import findings_between
from batchgen.manifest.document import Document, Mistake
from batchgen.manifest.environment import expanded
from batchgen.manifest.extends import YAML_SUFFIXES, with_bases
from batchgen.manifest.file_kinds import refuse_other_kind
from batchgen.manifest.input_pictures import PictureCheck
from batchgen.manifest.jobfile import JobFile
from batchgen.manifest.model import Manifest
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.parameters import Parameters
from batchgen.manifest.row_check import RowCheck
from batchgen.manifest.row_files import STDIN, piped_in, refuse_address, row_suffix
from batchgen.manifest.row_rules import RowRules
from batchgen.manifest.rows import SUFFIXES, CsvRows, InlineRows, Rows, TextRows, open_rows, piped_rows
from batchgen.manifest.schema_errors import dotted, shaped
from batchgen.manifest.shard import Shard, read_shard
from batchgen.manifest.shard_limits import part_of
from batchgen.manifest.template_check import TemplateCheck, rules_of
from batchgen.manifest.text_files import inside, job_text, refuse_unless_readable
from batchgen.manifest.text_lines import odd_lines
from batchgen.manifest.yaml import read_judgeable_yaml
from batchgen.wording import printable, shown

# With mistakes in the job file itself, rows are read only to show some of theirs too.
_ROWS_LOOKED_AT = 10_000


def load_manifest(path: Path | str, *, overrides: Overrides | None = None) -> Manifest:
    """Return the Manifest of a YAML, CSV, TSV, JSONL or text job file, with the command line's flags applied.

    Raise :class:`ManifestError` with every problem of the job file. Rows in a file of their own are read
    only if there are problems already: else they are checked while a plan streams them.
    """
    source, flags = Path(path), overrides or Overrides()
    read = _document(source)
    written = expanded(flags.applied(read.document), os.environ)
    axes = listed(written.document, source.parent, allow_outside=flags.allow_outside)
    document = axes.document
    shape = shaped(document)
    job = shape.job
    found = [*written.findings, *axes.findings, *shape.findings, *findings(job)]
    others = [*axes.problems]
    shard = _shard(flags.shard, others)
    rows = _rows(job, source, document, others, allow_outside=flags.allow_outside)
    rules = rules_of(job, flags.single())
    if read.whole and shape.whole and axes.whole and rows is not None:
        found += findings_between(job, rows.columns)
    templates = TemplateCheck(job, document, rules, (rows.columns if rows is not None else None) or ())
    found += templates.mistakes()
    odd = _Odd(rules, parameters_of(job), [*axes.notices, *document.problems(templates.notices()), *_odd_lines(rows)])
    if rows is not None:
        others += odd.columns(rows)
    if rows is None or found or others or not read.whole or (isinstance(rows, InlineRows) and odd.rows(rows)):
        # Making a plan opens every picture; here no plan is made, so pictures are checked now.
        pictures = PictureCheck(source.parent, allow_outside=flags.allow_outside)
        found += _picture_findings(job, pictures)
        problems = [*read.problems, *document.problems(found), *others, *odd.rows(rows or (), pictures)]
        raise ManifestError(dict.fromkeys(problems), notes=dict.fromkeys(odd.notices))
    models = {("model", str(value)): document.place(path) for path, name, value in settings_of(job) if name == "model"}
    made = frozen(job, rows, source, document, allow_outside=flags.allow_outside)
    return replace(
        made if shard is None else part_of(made, shard),
        places={**models, **made.places},
        flags=flags.single(),
        row_rules=rules,
        notices=tuple(dict.fromkeys(odd.notices)),
    )


def _shard(text: str | None, problems: list[Problem]) -> Shard | None:
    """Return the part of the plan that is to be run, if one is named; add what is wrong with it to ``problems``."""
    try:
        return None if text is None else read_shard(text)
    except ValueError as error:
        problems.append(Problem(str(error), "--shard"))
        return None


def _odd_lines(rows: Rows | None) -> tuple[Problem, ...]:
    try:
        return tuple(odd_lines(rows.path, rows.file)) if isinstance(rows, TextRows) else ()
    except UnicodeDecodeError:
        # The rows say on which line, when they are read.
        return ()


@dataclass(frozen=True, slots=True)
class _Read:
    """A job file with its bases. It is not ``whole`` if a base can't be read, or the file itself is marred."""

    document: Document
    problems: tuple[Problem, ...] = ()

    @property
    def whole(self) -> bool:
        return not self.problems


def _document(source: Path) -> _Read:
    file = str(source)
    if source == STDIN:
        return _Read(Document("stdin", {"rows": file}))
    refuse_address(source)
    suffix = row_suffix(source)
    if suffix not in (*YAML_SUFFIXES, *SUFFIXES):
        refuse_unless_readable(source, file)
        refuse_other_kind(source, suffix, printable(file))
        allowed = ", ".join((*YAML_SUFFIXES, *SUFFIXES))
        raise ManifestError([Problem(f"is of no known type; a job file ends in {allowed}", printable(file))])
    refuse_unless_readable(source, file)
    if suffix in SUFFIXES:
        return _Read(Document(file, {"rows": source.name}))
    refuse_other_kind(source, suffix, printable(file))
    document, refusals = read_judgeable_yaml(job_text(source, printable(file)), file)
    problems = tuple(refusals)
    try:
        return _Read(with_bases(document, source), problems)
    except ManifestError as error:
        own = {name: value for name, value in document.data.items() if name != "extends"}
        return _Read(replace(document, data=own), (*problems, *error.problems))


def _rows(
    job: JobFile, source: Path, document: Document, problems: list[Problem], *, allow_outside: bool
) -> Rows | None:
    """Return the job's rows, or ``None`` if they can't be read; add the reasons to ``problems``."""
    if not isinstance(job.rows, str):
        if job.rows == []:
            problems.append(Problem("rows is empty: nothing to generate", document.place(("rows",))))
        return inline_rows(job, document)
    place = document.place(("rows",)) if document.lines else ""
    file = source.parent / job.rows
    declared = frozenset(parameters_of(job).types)
    try:
        if source == STDIN and not document.lines:
            return piped_rows(piped_in(), document.file, declared=declared)
        refuse_address(Path(job.rows), place)
        # A table on the command line was chosen by the user; a job file may come from anybody.
        if document.lines and not allow_outside:
            _refuse_outside(source.parent, file, job.rows, place)
        return open_rows(file, str(file), place, declared=declared)
    except ManifestError as error:
        problems += error.problems
        return None


def _refuse_outside(folder: Path, file: Path, written: str, place: str) -> None:
    try:
        inside(folder, file)
    except ValueError as error:
        found = f"rows {error}, found {shown(written)}"
        raise ManifestError([Problem(found, place, "copy it there, or allow it with --allow-outside")]) from None


def _picture_findings(job: JobFile, check: PictureCheck) -> Iterator[Mistake]:
    """Yield what is wrong with the pictures of defaults and axes."""
    for path, name, value in settings_of(job):
        for message in check({name: value}):
            yield Mistake(path, f"{dotted(path)}: {message}")


@dataclass(slots=True)
class _Odd:
    """The check of columns and rows under the manifest's ``rules``; collects ``notices`` of what only looks odd."""

    rules: RowRules
    parameters: Parameters
    notices: list[Problem]

    def columns(self, rows: Rows) -> Iterator[Problem]:
        """Yield the mistakes in the names of a table's header."""
        if not isinstance(rows, CsvRows):
            return
        for name in rows.columns:
            if found := column_finding(name, self.rules):
                told = Problem(found.message, rows.header, found.suggestion)
                if found.refused:
                    yield told
                else:
                    self.notices.append(told)

    def rows(self, rows: Rows | tuple[()], pictures: PictureCheck | None = None) -> list[Problem]:
        """Return the mistakes of the first rows, and of all of those that stand in the job file."""
        columns = () if isinstance(rows, tuple | InlineRows) else rows.columns
        check = RowCheck(columns, self.parameters, self.rules)
        cells = CellCheck.of(rows, self.rules)
        problems: list[Problem] = []
        try:
            for row in islice(rows, None if isinstance(rows, InlineRows) else _ROWS_LOOKED_AT):
                cells(row, tuple(row.values))
                problems += check(row)
                if pictures is not None:
                    problems += [Problem(f"row {row.number}: {message}", row.place) for message in pictures(row.values)]
        except ManifestError as error:
            problems += error.problems
        self.notices += check.notices
        return [*problems, *cells.mistakes()]
