"""The checks between parts of a job file that are sound themselves: one part needs what no other gives."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from batchgen.errors import nearest
from batchgen.manifest.build import matrix_axis, parameters_of
from batchgen.manifest.checks import axis_paths, settings_of
from batchgen.manifest.column_names import column_problem
from batchgen.manifest.document import DataPath, Mistake
from batchgen.manifest.including import chosen
from batchgen.manifest.jobfile import JobFile
from batchgen.manifest.look_alikes import declare_advice, look_alike, near_parameter
from batchgen.manifest.template import names_in
from batchgen.wording import printable, shown

# Names that a path template knows beside the columns and variables.
PATH_NAMES = ("repeat", "row", "key")

# Nobody reads a longer list of names.
_NAMED = 20

_TYPOGRAPHIC = "\u201c\u201d\u201e\u2018\u2019\u201a\u00ab\u00bb \u00a0"


def findings_between(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Mistake]:
    """Yield every mistake between parts that are sound themselves; ``columns`` are the rows', if known."""
    yield from _missing(job, columns)
    yield from _unknown_variables(job, columns)
    yield from _swallowed(job, columns)
    yield from _idle_axes(job)
    yield from _combinations(job, columns)


def _missing(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Mistake]:
    """Yield what every request needs and nothing gives: a model, and a prompt or a picture."""
    if columns is None:
        return
    names = _known_names(job, columns)
    if "model" not in names:
        suggestion = "give --model, a column 'model', or 'model: …' under 'defaults:'" + _other_case("model", columns)
        yield Mistake((), "no model is given", suggestion)
    if job.prompt is None and not names & {"prompt", "image"}:
        yield Mistake((), "no prompt is given", _prompt_suggestion(columns))


def _other_case(name: str, columns: tuple[str, ...]) -> str:
    other = _other_writing(name, columns)
    return f"; or rename the column {shown(other)} to '{name}'" if other else ""


def _other_writing(name: str, columns: tuple[str, ...]) -> str:
    """Return the column that is ``name`` but for its case, or for a word processor's quotes around it."""
    return next((column for column in columns if column.strip(_TYPOGRAPHIC).lower() == name), "")


def _prompt_suggestion(columns: tuple[str, ...]) -> str:
    other = _other_writing("prompt", columns)
    if other != other.strip(_TYPOGRAPHIC):
        return f"write straight quotes, or none, around {shown(other)}"
    if other:
        return f"use --prompt '{{{other}}}' or 'prompt: \"{{{other}}}\"'"
    advice = "give --prompt, a column 'prompt', or 'prompt: …'"
    if not all(map(_is_name, columns)):
        advice = f"is the header missing? the first line has to name the columns, such as prompt,size; or {advice}"
    return advice + (f"; the columns are {_listed(columns)}" if columns else "")


def _is_name(column: str) -> bool:
    """Return whether a header names a column so: a word of letters, and no text, number, size or file."""
    words = column.replace("_", " ").replace("-", " ").split()
    return 0 < len(words) <= 2 and column.isascii() and all(word.isalpha() for word in words)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names[:_NAMED])) + (", …" if len(names) > _NAMED else "")


def _known_names(job: JobFile, columns: tuple[str, ...]) -> set[str]:
    # An empty axis is reported elsewhere; what it would have set is not missing too.
    empty = (name for name, values in job.matrix.items() if not values)
    zipped = (name for entry in job.zip for name in entry)
    return {*columns, *empty, *zipped, *(name for _, name, _ in settings_of(job))}


def _unknown_variables(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Mistake]:
    if columns is None:
        return
    variables = _known_names(job, columns)
    in_paths = variables | {name for _, name in axis_paths(job)} | {*parameters_of(job).names, *PATH_NAMES}
    templates = ((("prompt",), job.prompt, variables), (("output", "path"), job.output.path, in_paths))
    for path, text, known in templates:
        for name in names_in(text):
            if name not in known:
                allowed = f"known are {_listed(sorted(known))}" if known else "there are no variables"
                message = f"{'.'.join(path)} uses {shown('{' + name + '}')}, which nothing sets"
                yield Mistake(path, message, _same_look(name, known) or nearest(name, known) or allowed)


def _same_look(name: str, known: Iterable[str]) -> str:
    """Return advice if a known name is ``name`` in another Unicode form, as file systems and editors write it."""
    composed = unicodedata.normalize("NFC", name)
    alike = any(unicodedata.normalize("NFC", other) == composed for other in known)
    return "one looks the same and is written in another Unicode form: copy it from there" if alike else ""


def _swallowed(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Mistake]:
    """Yield each name of the defaults and axes that is neither sent nor used: it would silently be a column.

    An axis is used by its titles, and a default may stand in for a column that some rows leave empty: if nobody knows
    the columns of the rows, for any.
    """
    used = _used_names(job)
    seen = used | {name for _, name in axis_paths(job)} | {*(columns or ())}
    told: set[str] = set()
    for path, name, _ in settings_of(job):
        meant = _meant(job, name)
        if name in used or name in told or ((name in seen or columns is None) and not meant):
            continue
        told.add(name)
        message = f"{shown(name)} is no request parameter, and no template uses it"
        yield Mistake(path, message, meant or _how_to_use(name))


def _used_names(job: JobFile) -> set[str]:
    """Return every name that is sent, kept as a column, or used by a template or a rule about combinations."""
    chosen_by = (name for entry in (*job.exclude, *job.include) for name in entry)
    in_templates = (*names_in(job.prompt), *names_in(job.output.path))
    return {*parameters_of(job).names, *in_templates, *chosen_by, *job.columns}


def _meant(job: JobFile, name: str) -> str:
    """Return what was probably meant by a name that reads like a parameter."""
    names = parameters_of(job).names
    alike = look_alike(name, names)
    return f"did you mean {alike!r}?" if alike else near_parameter(name, names)


def _how_to_use(name: str) -> str:
    return f"use it as {{{printable(name)}}} in 'prompt:', or, if the service takes it, {declare_advice(name)}"


def _idle_axes(job: JobFile) -> Iterator[Mistake]:
    """Yield each axis whose values nothing uses: it makes equal requests, and those are bought once."""
    used = set(parameters_of(job).names)
    if job.prompt is not None:
        # A template for all prompts replaces every other prompt.
        used = used - {"prompt"} | {*names_in(job.prompt)}
    for name, values in job.matrix.items():
        settings = {setting for one in matrix_axis(job, name).values for setting in one.settings}
        if len(values) > 1 and not settings & used and (name in job.columns or not _meant(job, name)):
            message = f"the axis {shown(name)} changes nothing: its {len(values):,} values make equal requests"
            yield Mistake(("matrix", name), message, f"name {{{name}}} in 'prompt:' or --prompt, or remove the axis")


def _combinations(job: JobFile, columns: tuple[str, ...] | None) -> Iterator[Mistake]:
    known = {name for _, name in axis_paths(job)} | _known_names(job, columns or ()) | set(parameters_of(job).names)
    known |= {*names_in(job.prompt), *names_in(job.output.path)}
    for section, entries in (("exclude", job.exclude), ("include", job.include)):
        for index, entry in enumerate(entries):
            if not entry:
                yield Mistake((section, index), f"an entry of {section} is empty", "name an axis and a value")
            for name, value in entry.items():
                path = (section, index, name)
                if section == "include" and (problem := column_problem(name, parameters_of(job).types)):
                    yield Mistake(path, problem)
                elif name not in known and columns is not None:
                    message = f"{section} names {shown(name)}, which is neither an axis nor a variable"
                    yield Mistake(path, message, nearest(name, known))
                else:
                    yield from _unknown_title(job, path, value, columns)


def _unknown_title(job: JobFile, path: DataPath, value: str, columns: tuple[str, ...] | None) -> Iterator[Mistake]:
    """Yield a choice that matches no value of its axis; ``include`` may add a new value to an axis without titles."""
    section, name = path[0], str(path[2])
    titles = _titles(job, name)
    if titles is None or (section == "exclude" and name in (columns or ())) or chosen(value, titles):
        return
    plain = not isinstance(job.matrix.get(name), dict)
    if section == "include" and plain and "*" not in value:
        return
    message = f"{section}: no value of the axis {shown(name)} matches {shown(value)}"
    yield Mistake(path, message, nearest(value, titles) or f"its values are {', '.join(map(shown, titles[:8]))}")


def _titles(job: JobFile, name: str) -> list[str] | None:
    """Return the titles of an axis, or of a member of a zip; ``None`` if ``name`` is neither."""
    if name in job.matrix:
        return [one.title for one in matrix_axis(job, name).values]
    members = next((members for members in job.zip if name in members), None)
    return [value for value in members[name] if isinstance(value, str)] if members is not None else None
