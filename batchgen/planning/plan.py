"""All requests of a manifest, as a stream that can be iterated any number of times.

Nothing is kept between two requests, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property

from batchgen.errors import ManifestError, Problem
from batchgen.manifest import Manifest, Row
from batchgen.planning.catalogue_check import CatalogueCheck
from batchgen.planning.combinations import Combinations
from batchgen.planning.inputs import Inputs
from batchgen.planning.key_list import KeyList
from batchgen.planning.naming import opaque_stem
from batchgen.planning.request_factory import RequestFactory
from batchgen.planning.survey import Survey, Surveyor
from batchgen.planning.survey_cache import fingerprint, memo_of, survey_of
from batchgen.planning.unmatched import unmatched_combinations, unmatched_models
from batchgen.provider.interface import Catalogue
from batchgen.request import Request
from batchgen.store.inputs.input_files import InputFiles
from batchgen.wording import counted

# More requests than this are a mistake in an axis: reading them all would take minutes before the first message.
MAX_REQUESTS = 20_000_000
# Rows have a few sets of columns, or each its own: then request factories are made anew rather than kept.
_MOST_SHAPES = 64


class Plan:
    """The requests of one manifest, free of mistakes. Made by :func:`make_plan`."""

    def __init__(
        self,
        manifest: Manifest,
        catalogue: Catalogue | None = None,
        *,
        memo: bytes | None = None,
        files: InputFiles | None = None,
    ) -> None:
        self.manifest = manifest
        self._catalogue = catalogue
        self._memo = memo
        self._combinations = Combinations(manifest.axes, manifest.exclude, manifest.include)
        self._rules = self._combinations.row_rules
        self._inputs = Inputs(
            manifest.folder, allow_outside=manifest.allow_outside, orient=manifest.orient, files=files
        )
        self._catalogue_check = CatalogueCheck(catalogue, provider=manifest.provider.kind, priced=manifest.prices)
        self._kept: dict[tuple[str, ...], tuple[RequestFactory, ...]] = {}

    def __iter__(self) -> Iterator[Request]:
        """Yield every request in the manifest's order, each with its index in the whole plan."""
        index = 0
        kept, rules = self._kept, self._rules
        for row in self.manifest.rows:
            for factory in kept.get(tuple(row.values)) or self._factories(row):
                if not (rules and factory.drops(row, rules)):
                    requests = factory.requests(row, index)
                    index += len(requests)
                    yield from requests

    @property
    def size(self) -> int:
        """How many requests there are at most, by multiplication: before `exclude`, and without `repeat` columns."""
        return self.manifest.rows.count() * self._combinations.size * self.manifest.repeat

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Whatever is odd about the plan and does not stop a run."""
        return (
            *self.survey.warnings,
            *unmatched_models(self.manifest, self.count_by_model(), self._catalogue_check),
            *unmatched_combinations(self._combinations),
        )

    @cached_property
    def survey(self) -> Survey:
        """The findings of one reading of the whole plan; made once, or known from an earlier plan's ``memo``."""
        return self._cached_survey or self._surveyed()

    @cached_property
    def outline(self) -> KeyList:
        """The keys of all requests, and their models."""
        return self.survey.outline

    @property
    def is_known(self) -> bool:
        """Whether an earlier plan's survey holds for this one."""
        return self._cached_survey is not None

    def memo(self) -> bytes | None:
        """Return the survey as bytes for the next plan of this manifest; ``None`` if there is nothing new to keep."""
        if self.is_known:
            return None
        before, found = self.fingerprint, self.survey
        # Rows that were edited while they were read belong to neither fingerprint.
        return memo_of(found, before) if fingerprint(self.manifest, self._catalogue) == before else None

    @cached_property
    def fingerprint(self) -> str:
        """A digest that changes with everything that affects the plan, but for input pictures."""
        return fingerprint(self.manifest, self._catalogue)

    @cached_property
    def _cached_survey(self) -> Survey | None:
        return survey_of(self._memo, self.fingerprint) if self._memo else None

    def _surveyed(self) -> Survey:
        _ = self.fingerprint  # of the rows as they are before they are read
        surveyor = Surveyor(self.manifest, self._catalogue_check, self._rules, self._factories, self._inputs)
        try:
            for row in self.manifest.rows:
                surveyor.row(row)
                if surveyor.full:
                    break
        except ManifestError as error:
            surveyor.broken(error)
        try:
            return surveyor.found()
        finally:
            self._inputs.close()

    def at(self, positions: Iterable[int]) -> Iterator[Request]:
        """Yield the requests at these ascending positions of the whole plan; the others are not even made."""
        wanted = iter(positions)
        position = next(wanted, None)
        index = 0
        kept, rules = self._kept, self._rules
        for row in self.manifest.rows:
            for factory in kept.get(tuple(row.values)) or self._factories(row):
                if position is None:
                    return
                if rules and factory.drops(row, rules):
                    continue
                end = index + factory.repeat(row)
                if position < end:
                    for request in factory.requests(row, index):
                        if request.index == position:
                            yield request
                            position = next(wanted, None)
                index = end

    def count_by_model(self) -> Mapping[str, int]:
        """Return how many requests each model gets, equal ones counted each."""
        return self.outline.count_by_model()

    def stem(self, request: Request) -> str:
        """Return the path of the request's picture in the run folder, without the extension."""
        return request.path or opaque_stem(request.index, request.key)

    def _factories(self, row: Row) -> Iterable[RequestFactory]:
        """Return a request factory for each combination of the row."""
        shape = tuple(row.values)
        kept = self._kept.get(shape)
        if kept is not None:
            return kept
        made = (
            RequestFactory(self.manifest, combination, shape, self._inputs, self._catalogue_check)
            for combination in self._combinations
        )
        if not self._combinations.kept or len(self._kept) >= _MOST_SHAPES:
            return made
        factories = self._kept[shape] = tuple(made)
        return factories


def make_plan(
    manifest: Manifest,
    catalogue: Catalogue | None = None,
    *,
    memo: bytes | None = None,
    files: InputFiles | None = None,
) -> Plan:
    """Return the plan of ``manifest``. Raise :class:`ManifestError` with every mistake found, before anything is sent.

    With a ``catalogue``, aliases are resolved and every request is checked against what its model takes. With the
    ``memo`` of an earlier plan, its survey is taken over if nothing has changed. ``files`` are those of the input
    pictures; by default, none is decoded but masks, and none is remembered.
    """
    plan = Plan(manifest, catalogue, memo=memo, files=files)
    if not plan.is_known and (size := _counted(plan)) > MAX_REQUESTS:
        raise ManifestError([Problem(f"{counted(size, 'request')}; {MAX_REQUESTS:,} at most", str(manifest.source))])
    if problems := plan.survey.problems:
        raise ManifestError(problems, notes=plan.survey.warnings)
    return plan


def _counted(plan: Plan) -> int:
    try:
        return plan.size
    except ManifestError:
        # The survey reports rows that can't be counted, along with all that is wrong before them.
        return 0
