"""From a job file to a Manifest, or to every mistake in it at once."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from batchgen.errors import ManifestError, Problem
from batchgen.manifest.between import findings_between
from batchgen.manifest.checks import findings
from batchgen.manifest.document import Document
from batchgen.manifest.environment import expanded
from batchgen.manifest.extends import YAML_SUFFIXES, with_bases
from batchgen.manifest.files import job_text, refuse_unless_readable
from batchgen.manifest.freeze import frozen, inline_rows
from batchgen.manifest.jobfile import JobFile
from batchgen.manifest.listed import listed
from batchgen.manifest.model import Manifest
from batchgen.manifest.overrides import Overrides
from batchgen.manifest.row_check import RowCheck
from batchgen.manifest.rows import SUFFIXES, InlineRows, Rows, open_rows
from batchgen.manifest.shape import shaped
from batchgen.manifest.show import printable
from batchgen.manifest.yaml import read_yaml

# With mistakes in the job file itself, rows are read only to show some of theirs too.
_ROWS_LOOKED_AT = 10_000


def load_manifest(path: Path | str, *, overrides: Overrides | None = None) -> Manifest:
    """The Manifest of a YAML, CSV, TSV, JSONL or text job file, with the command line's flags applied.

    Raises :class:`ManifestError` with every problem of the job file. Rows in a file of their own are not read through
    unless there are problems already: whoever streams them checks them on the way.
    """
    source = Path(path)
    written = expanded((overrides or Overrides()).applied(_document(source)), os.environ)
    axes = listed(written.document, source.parent)
    document = axes.document
    shape = shaped(document)
    job = shape.job
    found = (*written.findings, *axes.findings, *shape.findings, *findings(job))
    problems = [*document.problems(found), *axes.problems]
    rows = _rows(job, source, document, problems)
    if shape.whole and axes.whole and rows is not None:
        problems += document.problems(findings_between(job, rows.columns))
    if rows is not None and (problems or isinstance(rows, InlineRows)):
        problems += _row_problems(rows)
    if problems or rows is None:
        raise ManifestError(problems)
    return frozen(job, rows, source, document)


def _document(source: Path) -> Document:
    file = str(source)
    suffix = source.suffix.lower()
    if suffix not in (*YAML_SUFFIXES, *SUFFIXES):
        refuse_unless_readable(source, file)
        allowed = ", ".join((*YAML_SUFFIXES, *SUFFIXES))
        raise ManifestError([Problem(f"is of no known kind; a job file ends in {allowed}", printable(file))])
    refuse_unless_readable(source, file)
    if suffix in SUFFIXES:
        return Document(file, {"rows": source.name})
    return with_bases(read_yaml(job_text(source, printable(file)), file), source)


def _rows(job: JobFile, source: Path, document: Document, problems: list[Problem]) -> Rows | None:
    """The job's rows, or ``None`` where they can't be read, with the reasons added to ``problems``."""
    if not isinstance(job.rows, str):
        if job.rows == []:
            problems.append(Problem("rows is empty: nothing to generate", document.place(("rows",))))
        return inline_rows(job, document)
    place = document.place(("rows",)) if document.lines else ""
    try:
        return open_rows(source.parent / job.rows, str(source.parent / job.rows), place)
    except ManifestError as error:
        problems += error.problems
        return None


def _row_problems(rows: Rows) -> list[Problem]:
    check = RowCheck(None if isinstance(rows, InlineRows) else rows.columns)
    problems: list[Problem] = []
    try:
        for row in islice(rows, None if isinstance(rows, InlineRows) else _ROWS_LOOKED_AT):
            problems += check(row)
    except ManifestError as error:
        problems += error.problems
    return problems
