"""All requests of a manifest, as a stream that can be read again and again, by model or as a whole.

Nothing is kept between two requests, so memory does not grow with their number.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from batchgen.errors import ManifestError, Problem, UsageError, nearest
from batchgen.manifest import Manifest, Row, RowCheck, Value, check_value, normalised
from batchgen.plan.combinations import Combination, Combinations, matches
from batchgen.plan.inputs import Inputs
from batchgen.plan.naming import folded, named_stem, opaque_stem
from batchgen.provider.interface import Catalogue
from batchgen.request import PARAMETERS, Input, Kind, Request, canonical_json, key_of

# More requests than this are a slip of an axis: reading them all through would take minutes before the first word.
MAX_REQUESTS = 20_000_000
# A manifest with more mistakes than this is not read to its end to list them all.
MAX_PROBLEMS = 200

_CALL = frozenset(PARAMETERS) | {"model", "image", "mask", "repeat"}
_NO_ROW = Row(0, "", {})


class BadRequest(UsageError):
    """A row and a combination that make no request; the message says why."""


@dataclass(frozen=True, slots=True)
class _Call:
    """A row and a combination, resolved: everything of a request but its repeat number and its key."""

    model: str
    parameters: Mapping[str, str]
    image: tuple[Input, ...]
    mask: Input | None
    columns: Mapping[str, str]
    axes: Mapping[str, str]
    row: int
    repeat: int


class Plan:
    """The requests of one manifest. Made by :func:`make_plan`, which has found every mistake in it."""

    def __init__(self, manifest: Manifest, catalogue: Catalogue | None = None) -> None:
        self.manifest = manifest
        self._combinations = Combinations(manifest.axes, manifest.exclude, manifest.include)
        self._inputs = Inputs(manifest.folder)
        self._aliases = _aliases(catalogue)

    def __iter__(self) -> Iterator[Request]:
        return self.requests()

    @property
    def size(self) -> int:
        """How many requests there are at most, by multiplication: before `exclude`, and without `repeat` columns."""
        return self.manifest.rows.count() * self._combinations.size * self.manifest.repeat

    def requests(self, model: str | None = None) -> Iterator[Request]:
        """Every request in the manifest's order, or those of one model, each with its place in the whole plan."""
        index = 0
        for row in self.manifest.rows:
            for combination in self._combinations:
                if self._dropped(row, combination):
                    continue
                repeat = self._repeat(row)
                if model is None or self._model(row, combination) == model:
                    yield from self._repeated(self._call(row, combination), index)
                index += repeat

    def count_by_model(self) -> Mapping[str, int]:
        """How many requests each model gets, equal ones counted each: cheaper than the requests themselves."""
        counts: Counter[str] = Counter()
        if self._combinations.set_model and not self._combinations.row_rules and "repeat" not in self._row_columns():
            rows = self.manifest.rows.count()
            for combination in self._combinations:
                counts[self._model(_NO_ROW, combination)] += rows * self.manifest.repeat
            return counts
        for row in self.manifest.rows:
            for combination in self._combinations:
                if not self._dropped(row, combination):
                    counts[self._model(row, combination)] += self._repeat(row)
        return counts

    def problems(self) -> list[Problem]:
        """Every mistake that shows only when rows meet axes: unknown variables, bad values, names that collide."""
        found: dict[Problem, None] = {}
        names: dict[str, str] = {}
        check_row = RowCheck(self.manifest.rows.columns)
        try:
            for row in self.manifest.rows:
                problems = check_row(row) or self._row_problems(row, names)
                found.update(dict.fromkeys(problems))
                if len(found) >= MAX_PROBLEMS:
                    break
        except ManifestError as error:
            found.update(dict.fromkeys(error.problems))
        return list(found)

    def stem(self, request: Request) -> str:
        """Where the request's picture belongs in the run folder, without the extension."""
        return request.path or opaque_stem(request.index, request.key)

    def _row_problems(self, row: Row, names: dict[str, str]) -> list[Problem]:
        problems = []
        for combination in self._combinations:
            if self._dropped(row, combination):
                continue
            try:
                call = self._call(row, combination)
                _check(call)
                self._check_names(call, names)
            except UsageError as error:
                problems.append(Problem(str(error), row.place or str(self.manifest.source)))
        return problems

    def _row_columns(self) -> frozenset[str]:
        # A source that can't tell its columns beforehand may have any.
        return frozenset(self.manifest.rows.columns or ("repeat",))

    def _dropped(self, row: Row, combination: Combination) -> bool:
        if combination.included or not self._combinations.row_rules:
            return False
        values = {**self.manifest.defaults, **row.values, **combination.settings}
        return any(matches(rule, combination.titles, values) for rule in self._combinations.row_rules)

    def _repeat(self, row: Row) -> int:
        stated = row.values.get("repeat")
        return int(stated) if isinstance(stated, str) else self.manifest.repeat

    def _model(self, row: Row, combination: Combination) -> str:
        named = combination.settings.get("model") or row.values.get("model") or self.manifest.defaults.get("model")
        if not isinstance(named, str):
            raise BadRequest("no model is named; give one under `defaults:`, in a `model` column or with --model")
        return self._aliases.get(named, named)

    def _call(self, row: Row, combination: Combination) -> _Call:
        values: dict[str, Value] = {**self.manifest.defaults, **row.values, **combination.settings}
        if self.manifest.prompt is not None:
            values["prompt"] = self._prompt(values)
        return _Call(
            model=self._model(row, combination),
            parameters={
                name: value if name != "output_format" else str(normalised(name, value))
                for name in PARAMETERS
                if isinstance(value := values.get(name), str)
            },
            image=tuple(self._inputs.resolve(source) for source in _listed(values.get("image"))),
            mask=next((self._inputs.resolve(source) for source in _listed(values.get("mask"))), None),
            columns={name: value for name, value in values.items() if name not in _CALL and isinstance(value, str)},
            axes=combination.titles,
            row=row.number,
            repeat=self._repeat(row),
        )

    def _prompt(self, values: Mapping[str, Value]) -> str:
        assert self.manifest.prompt is not None
        words = {name: value for name, value in values.items() if isinstance(value, str)}
        try:
            return self.manifest.prompt.render(words)
        except KeyError as error:
            raise _unknown_name(error.args[0], words) from None

    def _repeated(self, call: _Call, index: int) -> Iterator[Request]:
        provider = self.manifest.provider.kind
        for repeat in range(1, call.repeat + 1):
            canonical = self._canonical(call, repeat)
            key = key_of(canonical)
            yield Request(
                key=key,
                canonical=canonical,
                provider=provider,
                kind=Kind.IMAGE,
                model=call.model,
                parameters=call.parameters,
                image=call.image,
                mask=call.mask,
                repeat=repeat,
                index=index + repeat - 1,
                row=call.row,
                columns=call.columns,
                axes=call.axes,
                path=self._named(call, repeat, key),
            )

    def _canonical(self, call: _Call, repeat: int) -> bytes:
        return canonical_json(
            provider=self.manifest.provider.kind,
            kind=Kind.IMAGE,
            model=call.model,
            parameters=call.parameters,
            image=call.image,
            mask=call.mask,
            repeat=repeat,
        )

    def _named(self, call: _Call, repeat: int, key: str) -> str | None:
        template = self.manifest.output.path
        if template is None:
            return None
        values = {
            **call.parameters,
            **call.columns,
            **call.axes,
            "model": call.model,
            "repeat": str(repeat),
            "row": str(call.row),
            "key": key,
        }
        try:
            return named_stem(template, values)
        except KeyError as error:
            raise _unknown_name(error.args[0], values) from None

    def _check_names(self, call: _Call, names: dict[str, str]) -> None:
        template = self.manifest.output.path
        if template is None or "key" in template.names:
            return
        for repeat in range(1, call.repeat + 1):
            # Equal requests share one key, one picture and so one name.
            key = key_of(self._canonical(call, repeat))
            name = self._named(call, repeat, key)
            assert name is not None
            if names.setdefault(folded(name), key) != key:
                raise BadRequest(
                    f"output path {name!r} is used by two different requests; "
                    "add an axis, a column or {repeat} to `output.path`"
                )


def make_plan(manifest: Manifest, catalogue: Catalogue | None = None) -> Plan:
    """The plan of ``manifest``. Raises :class:`ManifestError` with every mistake found, before anything is sent."""
    plan = Plan(manifest, catalogue)
    if plan.size > MAX_REQUESTS:
        raise ManifestError([Problem(f"{plan.size:,} requests; {MAX_REQUESTS:,} at most", str(manifest.source))])
    if problems := plan.problems():
        raise ManifestError(problems)
    return plan


def _check(call: _Call) -> None:
    if "prompt" not in call.parameters and not call.image:
        raise BadRequest("no prompt; give a `prompt` column, a `prompt:` template or --prompt")
    # Every other value was checked where it stands; a prompt is made here.
    if message := check_value("prompt", call.parameters.get("prompt", "-")):
        raise BadRequest(message)


def _unknown_name(name: str, known: Mapping[str, object]) -> BadRequest:
    hint = nearest(name, known) or f"known here: {', '.join(sorted(known)) or 'none'}"
    return BadRequest(f"{{{name}}} stands in a template, but no row, axis or default sets {name!r}; {hint}")


def _aliases(catalogue: Catalogue | None) -> Mapping[str, str]:
    if catalogue is None:
        return {}
    return {alias: model.id for model in catalogue.models.values() for alias in model.aliases}


def _listed(value: Value | None) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
