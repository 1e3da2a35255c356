"""All requests of a manifest, as a stream that can be iterated any number of times.

Nothing is kept between two requests, so memory does not grow with their number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import islice

from batchgen.errors import ManifestError, Problem
from batchgen.html_view import paragraph, table, view
from batchgen.manifest import Manifest, Row
from batchgen.planning.catalogue_check import CatalogueCheck
from batchgen.planning.combinations import Combination, Combinations
from batchgen.planning.custom_ids import repeated_ids
from batchgen.planning.inputs import Inputs
from batchgen.planning.key_list import KeyList
from batchgen.planning.naming import opaque_stem
from batchgen.planning.product import RequestCounts, count_requests
from batchgen.planning.request_factory import RequestFactory
from batchgen.planning.survey import Survey, Surveyor
from batchgen.planning.survey_cache import fingerprint, memo_of, survey_of
from batchgen.planning.unmatched import unmatched_combinations, unmatched_models, unsent_parameters
from batchgen.provider.interface import Catalogue
from batchgen.request import Request
from batchgen.store.inputs.input_files import InputFiles
from batchgen.wording import counted

# More requests than this are a mistake in an axis: reading them all would take minutes before the first message.
MAX_REQUESTS = 20_000_000
# Rows have a few sets of columns, or each its own: then request factories are made anew rather than kept.
_MOST_SHAPES = 64
# More requests than this take longer than a second to read: of combinations that are kept, and of those that are not.
_QUICKLY_READ = {True: 300_000, False: 50_000}
# Of a plan that is not read as a whole, so many combinations of each row are.
_OF_EACH_ROW = 4
# Whoever watches a plan being read hears of it after so many requests.
_WATCHED = 10_000

# A notebook shows so many requests of a plan.
_SHOWN = 5

# Called with how many requests were read so far.
Watch = Callable[[int], None]


class Plan:
    """The requests of one manifest, or of its shard, free of mistakes. Made by :func:`make_plan`.

    Whatever is wrong anywhere in the whole plan stops each of its shards.
    A ``count_only`` one that is too large to be read in a second knows how many requests there are, and no key of them.
    ``watch`` is called with the number of requests read so far. ``files`` are those of the input pictures.
    """

    def __init__(
        self,
        manifest: Manifest,
        catalogue: Catalogue | None = None,
        *,
        memo: bytes | None = None,
        count_only: bool = False,
        watch: Watch | None = None,
        files: InputFiles | None = None,
    ) -> None:
        self.manifest = manifest
        self._count_only = count_only
        self._watch = watch
        self._catalogue = catalogue
        self._memo = memo
        self._combinations = Combinations(manifest.axes, manifest.exclude, manifest.include)
        self._rules = self._combinations.row_rules
        self._inputs = Inputs(
            manifest.folder, allow_outside=manifest.allow_outside, orient=manifest.orient, files=files
        )
        self._catalogue_check = CatalogueCheck(catalogue, provider=manifest.provider.kind, priced=manifest.prices)
        self._kept: dict[tuple[str, ...], tuple[RequestFactory, ...]] = {}
        self._samples: dict[tuple[str, ...], list[RequestFactory]] = {}

    def __iter__(self) -> Iterator[Request]:
        """Yield every request in the manifest's order, each with its index in the whole plan."""
        return self.whole() if self.manifest.shard is None else self.at(range(len(self.outline)))

    def whole(self) -> Iterator[Request]:
        """Yield the requests of all shards."""
        index = 0
        kept, rules = self._kept, self._rules
        for row in self.manifest.rows:
            for factory in kept.get(tuple(row.values)) or self._factories(row):
                if not (rules and factory.drops(row, rules)):
                    requests = factory.requests(row, index)
                    index += len(requests)
                    yield from requests
                    if self._watch and index % _WATCHED < len(requests):
                        self._watch(index)

    def _repr_html_(self) -> str:
        counts = self.count_by_model()
        total = sum(counts.values())
        first = [
            (str(one.row), one.model, one.parameters.get("prompt", ""), one.key[:8]) for one in islice(self, _SHOWN)
        ]
        more = [paragraph(f"… and {total - len(first):,} more")] if total > len(first) else []
        return view(
            f"{self.manifest.name}: {counted(total, 'request')}",
            table(("model", "requests"), [(model, f"{count:,}") for model, count in counts.items()]),
            table(("row", "model", "prompt", "key"), first, words=4),
            *more,
        )

    @property
    def size(self) -> int:
        """How many requests there are at most, by multiplication: before `exclude`, and without `repeat` columns."""
        return self.manifest.rows.count() * self._combinations.size * self.manifest.repeat

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Whatever is odd about the plan and does not stop a run."""
        return (
            *self.manifest.notices,
            *self.survey.warnings,
            *unmatched_models(self.manifest, self.count_whole_by_model(), self._catalogue_check),
            *unmatched_combinations(self._combinations),
            *unsent_parameters(self.manifest),
        )

    @cached_property
    def survey(self) -> Survey:
        """The findings of one reading of the whole plan; made once, or known from an earlier plan's ``memo``."""
        if self._cached_survey is not None:
            return self._cached_survey
        try:
            return self._surveyed() if self.counts is None else self._sampled(self.counts)
        finally:
            self._inputs.close()

    @cached_property
    def counts(self) -> RequestCounts | None:
        """How many requests there are, by multiplication; ``None`` if the plan is read as a whole."""
        # Which shard a request belongs to, only its key says.
        if not self._count_only or self._cached_survey is not None or self.manifest.shard is not None:
            return None
        if self._combinations.size <= _OF_EACH_ROW or self.size <= _QUICKLY_READ[self._combinations.kept]:
            return None
        try:
            return count_requests(self.manifest, self._combinations, self._catalogue_check.resolved)
        except ManifestError:
            # Reading the plan reports the rows that can't be read, along with all that is wrong before them.
            return None

    @cached_property
    def outline(self) -> KeyList:
        """The keys of all requests, and their models. Not for a plan that is only counted."""
        assert self.counts is None
        return self._part[0]

    @cached_property
    def _part(self) -> tuple[KeyList, Sequence[int]]:
        """The keys of the shard, or of the whole plan, and their positions in the whole."""
        keys, shard = self.survey.outline, self.manifest.shard
        return (keys, range(len(keys))) if shard is None else keys.part(shard.has)

    @property
    def is_known(self) -> bool:
        """Whether an earlier plan's survey holds for this one."""
        return self._cached_survey is not None

    def memo(self) -> bytes | None:
        """Return the survey as bytes for the next plan of this manifest; ``None`` if there is nothing new to keep."""
        if self.is_known or self.counts is not None:
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
        surveyor = self._surveyor(self._factories, self._watch)
        self._read(surveyor)
        for odd in repeated_ids(self.manifest):
            surveyor.note(odd)
        return surveyor.found()

    def _sampled(self, counts: RequestCounts) -> Survey:
        """Return what is wrong in every value of every axis and in every row, without making each combination."""
        surveyor = self._surveyor(self._sample_of)
        self._read(surveyor)
        return surveyor.found_in_part(counts.by_model())

    def _surveyor(self, factories: Callable[[Row], Iterable[RequestFactory]], watch: Watch | None = None) -> Surveyor:
        return Surveyor(self.manifest, self._catalogue_check, self._rules, factories, self._inputs, watch)

    def _read(self, surveyor: Surveyor) -> None:
        told_at = _WATCHED
        try:
            for row in self.manifest.rows:
                surveyor.row(row)
                if surveyor.full:
                    break
                if self._watch and surveyor.count >= told_at:
                    self._watch(surveyor.count)
                    told_at = surveyor.count + _WATCHED
        except ManifestError as error:
            surveyor.broken(error)

    def _sample_of(self, row: Row) -> Sequence[RequestFactory]:
        """Return request factories of the whole sample for the first row of a shape, of some more for each other."""
        shape = tuple(row.values)
        known = self._samples.get(shape)
        if known is None:
            few = len(self._samples) >= _MOST_SHAPES
            sample = islice(self._combinations.sample(), _OF_EACH_ROW if few else None)
            made = [self._factory(one, shape) for one in sample]
            return made if few else self._samples.setdefault(shape, made)
        start = row.number * _OF_EACH_ROW % len(known) if known else 0
        return [*known[:1], *known[start : start + _OF_EACH_ROW - 1]]

    def at(self, positions: Iterable[int]) -> Iterator[Request]:
        """Yield the requests at these ascending positions of :attr:`outline`; the others are not even made."""
        wanted = map(self._part[1].__getitem__, positions)
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
        return self.outline.count_by_model() if self.counts is None else self.counts.by_model()

    def count_whole_by_model(self) -> Mapping[str, int]:
        """Return how many requests of all shards each model gets, equal ones counted each."""
        return self.survey.outline.count_by_model() if self.counts is None else self.counts.by_model()

    def stem(self, request: Request) -> str:
        """Return the path of the request's picture in the run folder, without the extension."""
        return request.path or opaque_stem(request.index, request.key)

    def _factories(self, row: Row) -> Iterable[RequestFactory]:
        """Return a request factory for each combination of the row."""
        shape = tuple(row.values)
        kept = self._kept.get(shape)
        if kept is not None:
            return kept
        made = (self._factory(combination, shape) for combination in self._combinations)
        if not self._combinations.kept or len(self._kept) >= _MOST_SHAPES:
            return made
        factories = self._kept[shape] = tuple(made)
        return factories

    def _factory(self, combination: Combination, shape: tuple[str, ...]) -> RequestFactory:
        return RequestFactory(self.manifest, combination, shape, self._inputs, self._catalogue_check)


def make_plan(
    manifest: Manifest,
    catalogue: Catalogue | None = None,
    *,
    memo: bytes | None = None,
    count_only: bool = False,
    watch: Watch | None = None,
    files: InputFiles | None = None,
) -> Plan:
    """Return the plan of ``manifest``. Raise :class:`ManifestError` with every mistake found, before anything is sent.

    With a ``catalogue``, aliases are resolved and every request is checked against what its model takes. With the
    ``memo`` of an earlier plan, its survey is taken over if nothing has changed. With ``count_only``, a plan that can't
    be read in a second is counted: every row and every value of an axis is looked at, not each combination. ``watch``
    hears how many requests were read so far. ``files`` are those of the input pictures; by default, none is decoded but
    masks, and none is remembered.
    """
    plan = Plan(manifest, catalogue, memo=memo, count_only=count_only, watch=watch, files=files)
    if not plan.is_known and (size := _counted(plan)) > MAX_REQUESTS:
        raise ManifestError([Problem(f"{counted(size, 'request')}; {MAX_REQUESTS:,} at most", str(manifest.source))])
    if problems := plan.survey.problems:
        # Nobody runs a manifest again for what only looks wrong: it is told with the mistakes.
        raise ManifestError(problems, notes=(*manifest.notices, *plan.survey.warnings))
    return plan


def _counted(plan: Plan) -> int:
    try:
        return plan.size
    except ManifestError:
        # The survey reports rows that can't be counted, along with all that is wrong before them.
        return 0
