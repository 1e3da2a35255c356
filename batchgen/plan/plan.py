"""All requests of a manifest, as a stream that can be read again and again, by model or as a whole.

Nothing is kept between two requests, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from batchgen.errors import ManifestError, Problem
from batchgen.manifest import Manifest, Row
from batchgen.plan.combinations import Combinations
from batchgen.plan.inputs import Inputs
from batchgen.plan.naming import opaque_stem
from batchgen.plan.offer import Offer
from batchgen.plan.recipe import Recipe
from batchgen.plan.survey import Survey, Surveyor
from batchgen.provider.interface import Catalogue
from batchgen.request import Request

# More requests than this are a slip of an axis: reading them all through would take minutes before the first word.
MAX_REQUESTS = 20_000_000
# Rows have a few sets of columns, or each its own: then recipes are made anew rather than kept.
_MOST_SHAPES = 64


class Plan:
    """The requests of one manifest. Made by :func:`make_plan`, which has found every mistake in it."""

    def __init__(self, manifest: Manifest, catalogue: Catalogue | None = None) -> None:
        self.manifest = manifest
        self._combinations = Combinations(manifest.axes, manifest.exclude, manifest.include)
        self._rules = self._combinations.row_rules
        self._inputs = Inputs(manifest.folder)
        self._offer = Offer(catalogue, provider=manifest.provider.kind, priced=manifest.prices)
        self._kept: dict[tuple[str, ...], tuple[Recipe, ...]] = {}

    def __iter__(self) -> Iterator[Request]:
        return self.requests()

    @property
    def size(self) -> int:
        """How many requests there are at most, by multiplication: before `exclude`, and without `repeat` columns."""
        return self.manifest.rows.count() * self._combinations.size * self.manifest.repeat

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """What is odd about the plan and stops nothing."""
        return self.survey.warnings

    @cached_property
    def survey(self) -> Survey:
        """What one reading of the whole plan finds; made once."""
        surveyor = Surveyor(self.manifest, self._offer, self._rules)
        try:
            for row in self.manifest.rows:
                surveyor.row(row, self._recipes(row))
                if surveyor.full:
                    break
        except ManifestError as error:
            surveyor.broken(error)
        return surveyor.found()

    def requests(self, model: str | None = None) -> Iterator[Request]:
        """Every request in the manifest's order, or those of one model, each with its place in the whole plan."""
        index = 0
        kept, rules = self._kept, self._rules
        for row in self.manifest.rows:
            for recipe in kept.get(tuple(row.values)) or self._recipes(row):
                if rules and recipe.drops(row, rules):
                    continue
                if model is None or (recipe.model or recipe.model_of(row)) == model:
                    requests = recipe.requests(row, index)
                    index += len(requests)
                    yield from requests
                else:
                    index += recipe.repeat(row)

    def count_by_model(self) -> Mapping[str, int]:
        """How many requests each model gets, equal ones counted each."""
        return self.survey.by_model

    def stem(self, request: Request) -> str:
        """Where the request's picture belongs in the run folder, without the extension."""
        return request.path or opaque_stem(request.index, request.key)

    def _recipes(self, row: Row) -> Iterable[Recipe]:
        """A recipe for each combination that the row meets."""
        shape = tuple(row.values)
        kept = self._kept.get(shape)
        if kept is not None:
            return kept
        made = (
            Recipe(self.manifest, combination, shape, self._inputs, self._offer) for combination in self._combinations
        )
        if not self._combinations.kept or len(self._kept) >= _MOST_SHAPES:
            return made
        recipes = self._kept[shape] = tuple(made)
        return recipes


def make_plan(manifest: Manifest, catalogue: Catalogue | None = None) -> Plan:
    """The plan of ``manifest``. Raises :class:`ManifestError` with every mistake found, before anything is sent.

    With a ``catalogue``, aliases are resolved and every request is held against what its model takes.
    """
    plan = Plan(manifest, catalogue)
    if plan.size > MAX_REQUESTS:
        raise ManifestError([Problem(f"{plan.size:,} requests; {MAX_REQUESTS:,} at most", str(manifest.source))])
    if problems := plan.survey.problems:
        raise ManifestError(problems)
    return plan
