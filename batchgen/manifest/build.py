"""A validated job file becomes the frozen Manifest; nothing is checked here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from batchgen.manifest import scalars
from batchgen.manifest.document import Document
from batchgen.manifest.file_names import slug
from batchgen.manifest.including import included
from batchgen.manifest.jobfile import FromEnvironment, JobFile, LimitsSection, ProviderSection, RetrySection
from batchgen.manifest.model import (
    AccessChoice,
    Axis,
    AxisValue,
    CombinationRule,
    LaneLimit,
    Limits,
    Manifest,
    Output,
    ProviderChoice,
    Retry,
)
from batchgen.manifest.parameters import Parameters
from batchgen.manifest.row_files import stem_of
from batchgen.manifest.rows import InlineRows, Row, Rows
from batchgen.manifest.template import Template, names_in
from batchgen.manifest.values import Value, normalised
from batchgen.request import Kind

# A video takes the service minutes, a picture seconds.
VIDEO_DEADLINE_S = 1800.0


def frozen(job: JobFile, rows: Rows, source: Path, document: Document, *, allow_outside: bool) -> Manifest:
    """Return the Manifest of a job file that was checked."""
    return Manifest(
        name=job.name or slug(stem_of(source)),
        source=source,
        folder=source.absolute().parent,
        provider=_provider(job.provider),
        prompt=Template(job.prompt) if job.prompt is not None else None,
        rows=rows,
        defaults={name: normalised(name, value) for name, value in job.defaults.items() if value is not None},
        axes=(made := axes(job)),
        exclude=_combinations("exclude", job.exclude, document),
        include=_included(job, made, document),
        repeat=job.repeat,
        limits=_limits(job.limits),
        retry=_retry(job.retry),
        prices=job.prices,
        output=Output(
            job.output.folder,
            Template(job.output.path) if job.output.path is not None else None,
            job.output.deleted,
            job.output.pictures.rstrip("/") if job.output.pictures is not None else None,
        ),
        kind=Kind(job.kind) if job.kind is not None else None,
        reuse=tuple(dict.fromkeys(job.reuse)),
        parameters=parameters_of(job),
        allow_outside=allow_outside,
        places=dict(_places(job, document)),
        orient=job.inputs.orient,
    )


def parameters_of(job: JobFile) -> Parameters:
    """Return every parameter of a job: a template with a mistake uses none of them."""
    return Parameters(job.provider.kind, job.provider.parameters, frozenset(names_in(job.prompt)))


def inline_rows(job: JobFile, document: Document) -> InlineRows:
    """Return the rows that stand in the job file; a job without rows has a single empty one."""
    entries = job.rows if isinstance(job.rows, list) else [{}]
    return InlineRows(
        tuple(
            Row(
                number=index + 1,
                file=document.place(("rows", index)),
                line=0,
                values={name: value for name, value in entry.items() if value is not None},
            )
            for index, entry in enumerate(entries)
        )
    )


def axes(job: JobFile) -> tuple[Axis, ...]:
    """Return the axes of the matrix in order, then each ``zip`` as one more."""
    return (*(matrix_axis(job, name) for name in job.matrix), *(_zipped(columns) for columns in job.zip))


def matrix_axis(job: JobFile, name: str) -> Axis:
    """Return the axis of that name in the matrix."""
    return Axis(name, _axis_values(name, job.matrix[name]))


def _axis_values(name: str, values: list[Value] | dict[str, Value | dict[str, Value]]) -> tuple[AxisValue, ...]:
    if isinstance(values, dict):
        return tuple(_titled(name, title, value) for title, value in values.items())
    return tuple(AxisValue(_title(value), _settings({name: value})) for value in values)


def _titled(axis: str, title: str, value: Value | dict[str, Value]) -> AxisValue:
    return AxisValue(title, _settings(value if isinstance(value, dict) else {axis: value}))


def _zipped(columns: dict[str, list[Value]]) -> Axis:
    rows = zip(*columns.values(), strict=True)
    values = (dict(zip(columns, row, strict=True)) for row in rows)
    return Axis(
        "+".join(columns), tuple(AxisValue("+".join(map(_title, one.values())), _settings(one)) for one in values)
    )


def _title(value: Value) -> str:
    return value if isinstance(value, str) else ",".join(value)


def _settings(values: dict[str, Value]) -> dict[str, Value]:
    return {name: normalised(name, value) for name, value in values.items()}


def _places(job: JobFile, document: Document) -> Iterator[tuple[tuple[str, str], str]]:
    for section, names in ((("limits", "lanes"), job.limits.lanes), (("prices",), job.prices)):
        for name in names:
            yield (".".join(section), name), document.place((*section, name))
    yield ("provider", "simulator"), document.place(("provider", "simulator"))


def _combinations(section: str, entries: list[dict[str, str]], document: Document) -> tuple[CombinationRule, ...]:
    return tuple(CombinationRule(entry, document.place((section, index))) for index, entry in enumerate(entries))


def _included(job: JobFile, made: tuple[Axis, ...], document: Document) -> tuple[CombinationRule, ...]:
    zips = tuple(tuple(members) for members in job.zip)
    return tuple(
        CombinationRule(choice, document.place(("include", index)))
        for index, entry in enumerate(job.include)
        for choice in included(entry, made, zips)
    )


def _provider(section: ProviderSection) -> ProviderChoice:
    settings, options = scalars.natural(section.simulator), scalars.natural(section.options)
    assert isinstance(settings, dict)
    assert isinstance(options, dict)
    return ProviderChoice(section.kind, section.base_url, section.api_key_env, settings, options, _access(section))


def _access(section: ProviderSection) -> AccessChoice:
    secret = {name: value.env for name, value in section.headers.items() if isinstance(value, FromEnvironment)}
    return AccessChoice(
        headers={name: value for name, value in section.headers.items() if isinstance(value, str)},
        secret_headers=secret,
        query=section.query,
        proxy=section.proxy or "env",
        ca=section.ca,
        socket=section.socket,
        key_to_own_host=section.downloads.authorization is not None,
    )


def _limits(section: LimitsSection) -> Limits:
    lanes = tuple(LaneLimit(pattern, lane.concurrency, lane.rate) for pattern, lane in section.lanes.items())
    return Limits(
        section.concurrency,
        section.adaptive,
        section.rate,
        section.budget_usd,
        lanes,
        section.night_budget_usd,
        section.deadline,
        section.max_failures,
    )


def _retry(section: RetrySection) -> Retry:
    return Retry(
        attempts=section.attempts,
        deadline_s=section.deadline,
        video_deadline_s=section.deadline if "deadline" in section.model_fields_set else VIDEO_DEADLINE_S,
        max_wait_s=section.max_wait,
        on_doubt=section.on_doubt,
        risk_microusd=section.risk_usd,
    )
