"""The checks of a single part of a job file that fits the schema: its values and names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from batchgen.errors import nearest
from batchgen.manifest.access_checks import access_findings
from batchgen.manifest.build import matrix_axis, parameters_of
from batchgen.manifest.column_names import column_problem
from batchgen.manifest.document import DataPath, Mistake
from batchgen.manifest.file_names import bucket_problem, folder_problem, name_problem, path_problem
from batchgen.manifest.jobfile import JobFile, ProviderSection
from batchgen.manifest.parameters import FIXED
from batchgen.manifest.template import Template, TemplateError
from batchgen.manifest.values import LONGEST_PROMPT, PARAMETERS, Value, check_value
from batchgen.plugins import BUILT_IN, kinds
from batchgen.wording import shown


def findings(job: JobFile) -> Iterator[Mistake]:
    """Yield every mistake that one part of the job file makes on its own."""
    yield from _provider(job.provider)
    yield from _kind(job)
    yield from _names(job)
    yield from _templates(job)
    yield from _axis_sizes(job)
    yield from _axis_names(job)
    yield from _values(job)
    yield from _lists_in_rows(job)
    yield from _lanes_and_prices(job)


def _provider(provider: ProviderSection) -> Iterator[Mistake]:
    if provider.kind not in BUILT_IN and provider.kind not in (known := kinds()):
        message = f"provider must be one of {', '.join(known)}, found {shown(provider.kind)}"
        yield Mistake(("provider", "kind"), message, nearest(provider.kind, known) or "is its plugin installed?")
    if provider.base_url is not None and (problem := _base_url_problem(provider.base_url)):
        over_socket = "unix" in provider.base_url.partition(":")[0]
        advice = "write 'socket: /run/images.sock' beside it" if over_socket else ""
        yield Mistake(("provider", "base_url"), f"provider.base_url {problem}", advice)
    # The value may be a key put into the wrong place, so it is not shown.
    if provider.api_key_env is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", provider.api_key_env, re.ASCII):
        message = "provider.api_key_env must name an environment variable in capitals, such as IMAGEROUTER_API_KEY"
        yield Mistake(("provider", "api_key_env"), message, "a key itself never belongs into a job file")
    if provider.simulator and provider.kind != "simulator":
        message = f"provider.simulator is only for the kind simulator, found the kind {shown(provider.kind)}"
        yield Mistake(("provider", "simulator"), message)
    yield from _declared(provider)
    yield from access_findings(provider)
    if provider.options and provider.kind in BUILT_IN:
        suggestion = "put them under 'provider.simulator:'" if provider.kind == "simulator" else ""
        message = f"provider.options are for the provider of a plugin, found the kind {shown(provider.kind)}"
        yield Mistake(("provider", "options"), message, suggestion)


def _declared(provider: ProviderSection) -> Iterator[Mistake]:
    for name in provider.parameters:
        path = ("provider", "parameters", name)
        if name == "n":
            yield Mistake(path, "n is refused: one request makes one picture", "use 'repeat:' for more pictures")
        elif name in FIXED:
            yield Mistake(path, f"{name} is known already, and can't be declared anew", "remove it here")
        elif problem := column_problem(name, provider.parameters):
            yield Mistake(path, problem)


def _kind(job: JobFile) -> Iterator[Mistake]:
    if job.kind == "video" and job.provider.kind == "openai":
        message = "kind: video is not for the provider openai, whose endpoints make images"
        yield Mistake(("kind",), message, "use imagerouter, or the provider of a plugin")
    for index, folder in enumerate(job.reuse):
        if not folder.strip() or "://" in folder or folder.startswith("~"):
            yield Mistake(("reuse", index), f"reuse must name run folders such as outputs/mugs, found {shown(folder)}")


def _base_url_problem(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no valid URL"
    if "@" in parts.netloc or parts.query or parts.fragment:
        return "must not carry a user name, a password, a query or a fragment"
    if parts.scheme not in ("http", "https") or not host or not url.isprintable() or " " in url:
        return f"must be a URL such as https://api.imagerouter.io, found {shown(url)}"
    return None


def _names(job: JobFile) -> Iterator[Mistake]:
    if job.name is not None and (problem := name_problem(job.name)):
        yield Mistake(("name",), f"name {problem}")
    if job.output.folder is not None and (problem := folder_problem(job.output.folder)):
        yield Mistake(("output", "folder"), f"output.folder {problem}")
    if job.output.path is not None and (problem := path_problem(job.output.path)):
        yield Mistake(("output", "path"), f"output.path {problem}")
    if job.output.pictures is not None:
        if problem := bucket_problem(job.output.pictures):
            yield Mistake(("output", "pictures"), f"output.pictures {problem}")
        if job.output.path is not None:
            yield Mistake(("output", "path"), _NO_NAMES)


_NO_NAMES = (
    "output.path names links to pictures, and a bucket has no links: leave it out; `batchgen export FOLDER imagefolder "
    "DEST` copies the pictures under names"
)


def _templates(job: JobFile) -> Iterator[Mistake]:
    for path, text in ((("prompt",), job.prompt), (("output", "path"), job.output.path)):
        try:
            template = Template(text) if text is not None else None
        except TemplateError as error:
            for mistake in error.mistakes:
                yield Mistake(path, f"{'.'.join(path)}: {mistake}")
            continue
        if template is not None and path == ("prompt",) and (problem := _prompt_problem(template)):
            yield Mistake(path, problem)


def _prompt_problem(template: Template) -> str | None:
    """Return what is wrong with a prompt's template: of one with names only the fixed part can be too long."""
    problem = check_value("prompt", template.text)
    if problem and "characters" in problem:
        fixed = len(template.text) - sum(len(name) + 2 for name in template.names)
        return problem if fixed > LONGEST_PROMPT else None
    return problem


def _axis_sizes(job: JobFile) -> Iterator[Mistake]:
    for name, values in job.matrix.items():
        if not values:
            yield Mistake(("matrix", name), f"the axis {shown(name)} is empty: 0 requests", "give it a value")
        elif isinstance(values, list):
            yield from _repeated(("matrix", name), values)
    for index, columns in enumerate(job.zip):
        lengths = {name: len(values) for name, values in columns.items()}
        if not columns or 0 in lengths.values():
            yield Mistake(("zip", index), "the zip is empty: 0 requests", "give each name a list of values")
        elif len(set(lengths.values())) > 1:
            counted = ", ".join(f"{shown(name)} has {length}" for name, length in lengths.items())
            yield Mistake(("zip", index), f"lists of one zip must be equally long: {counted}")


def _repeated(path: DataPath, values: list[Value]) -> Iterator[Mistake]:
    seen: set[Value] = set()
    for index, value in enumerate(values):
        if value in seen:
            yield Mistake((*path, index), f"{path[-1]} lists {shown(value)} twice", "use 'repeat:' for more pictures")
        seen.add(value)


def _axis_names(job: JobFile) -> Iterator[Mistake]:
    seen: set[str] = set()
    for path, name in axis_paths(job):
        if name in seen:
            yield Mistake(path, f"{shown(name)} is an axis twice: it may stand once in 'matrix:' or 'zip:'")
        seen.add(name)
    named = {name: path for path, name, _ in settings_of(job)} | {name: path for path, name in axis_paths(job)}
    for name, path in named.items():
        if name == "repeat":
            yield Mistake(path, "repeat can't vary here", "put 'repeat:' at the top level, or use a column 'repeat'")
        elif problem := column_problem(name, parameters_of(job).types):
            yield Mistake(path, problem)


def axis_paths(job: JobFile) -> Iterator[tuple[DataPath, str]]:
    """Yield the path and name of every axis, members of a zip each."""
    for name in job.matrix:
        yield ("matrix", name), name
    for index, columns in enumerate(job.zip):
        for name in columns:
            yield ("zip", index, name), name


def _values(job: JobFile) -> Iterator[Mistake]:
    check = parameters_of(job).check
    judged: dict[tuple[str, Value], str | None] = {}
    for path, name, value in settings_of(job):
        if (name, value) not in judged:
            judged[name, value] = check(name, value)
        if problem := judged[name, value]:
            yield Mistake(path, problem)
    for index, entry in enumerate(job.include):
        for name, value in entry.items():
            titles = {one.title for one in matrix_axis(job, name).values} if name in job.matrix else set()
            # A glob stands for titles, whose own values were checked above.
            if value not in titles and not (titles and "*" in value) and (problem := check(name, value)):
                yield Mistake(("include", index, name), problem)


def settings_of(job: JobFile) -> Iterator[tuple[DataPath, str, Value]]:
    """Yield every setting of the defaults and axes: its path, name and value."""
    for name, value in job.defaults.items():
        if value is not None:
            yield ("defaults", name), name, value
    for axis, values in job.matrix.items():
        yield from _axis_settings(axis, values)
    for index, columns in enumerate(job.zip):
        for name, listed in columns.items():
            for position, value in enumerate(listed):
                yield ("zip", index, name, position), name, value


def _axis_settings(axis: str, values: object) -> Iterator[tuple[DataPath, str, Value]]:
    if isinstance(values, list):
        for position, value in enumerate(values):
            yield ("matrix", axis, position), axis, value
    elif isinstance(values, dict):
        for title, value in values.items():
            if not isinstance(value, dict):
                yield ("matrix", axis, title), axis, value
                continue
            for name, setting in value.items():
                yield ("matrix", axis, title, name), name, setting


def _lists_in_rows(job: JobFile) -> Iterator[Mistake]:
    """Yield lists among a row's own columns; parameters are checked with the rows of every kind."""
    for index, row in enumerate(job.rows if isinstance(job.rows, list) else ()):
        for name, value in row.items():
            if isinstance(value, tuple) and name not in PARAMETERS:
                yield Mistake(("rows", index, name), f"row {index + 1}: {check_value(name, value)}")


def _lanes_and_prices(job: JobFile) -> Iterator[Mistake]:
    for section, names in ((("limits", "lanes"), job.limits.lanes), (("prices",), job.prices)):
        for name in names:
            # A glob stands for the names of models.
            if problem := check_value("model", name.replace("*", "x")):
                yield Mistake((*section, name), f"{'.'.join(section)}: {problem}")
    for name in job.prices:
        if "*" in name:
            yield Mistake(
                ("prices", name), f"prices: {shown(name)} is a glob", "give the price of each model by its name"
            )
