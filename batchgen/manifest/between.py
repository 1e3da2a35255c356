"""What can be wrong between parts of a job file that are sound themselves: something one needs and none gives."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from batchgen.errors import nearest
from batchgen.manifest.checks import axis_paths, settings_of
from batchgen.manifest.columns import column_problem
from batchgen.manifest.document import DataPath, Finding
from batchgen.manifest.freeze import matrix_axis
from batchgen.manifest.jobfile import JobFile
from batchgen.manifest.show import shown
from batchgen.manifest.template import Template, TemplateError
from batchgen.manifest.values import PARAMETERS

# Names that a path template knows beside the columns and variables.
PATH_NAMES = ("repeat", "row", "key")


def findings_between(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Finding]:
    """Every mistake between parts that are sound themselves; ``columns`` are the rows', where known."""
    yield from _missing(job, columns)
    yield from _unknown_variables(job, columns)
    yield from _combinations(job, columns)


def _missing(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Finding]:
    """No request can be made without a model, nor without a prompt or a picture to work on."""
    if columns is None:
        return
    names = _known_names(job, columns)
    if "model" not in names:
        suggestion = "give --model, a column 'model', or 'model: …' under 'defaults:'" + _other_case("model", columns)
        yield Finding((), "no model is given", suggestion)
    if job.prompt is None and not names & {"prompt", "image"}:
        yield Finding((), "no prompt is given", _prompt_suggestion(columns))


def _other_case(name: str, columns: tuple[str, ...]) -> str:
    other = next((column for column in columns if column.lower() == name), "")
    return f"; or rename the column {shown(other)} to '{name}'" if other else ""


def _prompt_suggestion(columns: tuple[str, ...]) -> str:
    other = next((column for column in columns if column.lower() == "prompt"), "")
    if other:
        return f"use --prompt '{{{other}}}' or 'prompt: \"{{{other}}}\"'"
    return "give --prompt, a column 'prompt', or 'prompt: …'" + (
        f"; the columns are {', '.join(columns)}" if columns else ""
    )


def _known_names(job: JobFile, columns: tuple[str, ...]) -> set[str]:
    included = (name for entry in job.include for name in entry)
    # An empty axis is told about elsewhere; what it would have set does not count as missing too.
    empty = (name for name, values in job.matrix.items() if not values)
    zipped = (name for entry in job.zip for name in entry)
    return {*columns, *included, *empty, *zipped, *(name for _, name, _ in settings_of(job))}


def _unknown_variables(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Finding]:
    if columns is None:
        return
    variables = _known_names(job, columns)
    in_paths = variables | {name for _, name in axis_paths(job)} | {*PARAMETERS, *PATH_NAMES}
    templates = ((("prompt",), job.prompt, variables), (("output", "path"), job.output.path, in_paths))
    for path, text, known in templates:
        for name in _names_in(text):
            if name not in known:
                allowed = f"known are {', '.join(sorted(known))}" if known else "there are no variables"
                message = f"{'.'.join(path)} uses {shown('{' + name + '}')}, which nothing gives"
                yield Finding(path, message, nearest(name, known) or allowed)


def _names_in(text: str | None) -> tuple[str, ...]:
    try:
        return Template(text).names if text is not None else ()
    except TemplateError:
        return ()


def _combinations(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Finding]:
    known = {name for _, name in axis_paths(job)} | _known_names(job, columns or ()) | set(PARAMETERS)
    for section, entries in (("exclude", job.exclude), ("include", job.include)):
        for index, entry in enumerate(entries):
            if not entry:
                yield Finding((section, index), f"an entry of {section} is empty", "name an axis and a value")
            for name, value in entry.items():
                if name not in known and columns is not None and section == "exclude":
                    message = f"exclude names {shown(name)}, which is neither an axis nor a variable"
                    yield Finding((section, index, name), message, nearest(name, known))
                elif section == "include" and (problem := column_problem(name)):
                    yield Finding((section, index, name), problem)
                else:
                    yield from _unknown_title(job, (section, index, name), value)


def _unknown_title(job: JobFile, path: DataPath, value: str) -> Iterator[Finding]:
    """A choice that matches no title of its axis; ``include`` may bring a new value where the axis is plain."""
    section, name = path[0], str(path[2])
    if name not in job.matrix:
        return
    values = matrix_axis(job, name).values
    if section == "include" and all(name in one.settings for one in values):
        return
    titles = [one.title for one in values]
    if not any(fnmatch.fnmatchcase(title, value) for title in titles):
        message = f"{section}: no value of the axis {shown(name)} matches {shown(value)}"
        yield Finding(path, message, nearest(value, titles) or f"its values are {', '.join(map(shown, titles[:8]))}")
