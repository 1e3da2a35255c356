"""One reading of a whole plan before anything is sent: every mistake in it, what is odd about it, and its size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from batchgen.errors import BadRequest, ManifestError, Problem, UsageError
from batchgen.manifest import CellCheck, Manifest, PictureCheck, Row, RowCheck, check_value
from batchgen.planning.catalogue_check import FREE_A_DAY, FREE_SUFFIX, Asked, CatalogueCheck
from batchgen.planning.compact_set import CompactSet
from batchgen.planning.input_survey import InputSurvey
from batchgen.planning.inputs import Inputs, refusal
from batchgen.planning.key_list import KeyList
from batchgen.planning.loader_notices import loader_notices
from batchgen.planning.naming import folded
from batchgen.planning.request_factory import Call, PromptKeys, RequestFactory
from batchgen.planning.unmatched import unmatched_rows
from batchgen.request import encoded
from batchgen.wording import counted

# A manifest with more mistakes than this is not read to its end to list them all.
MAX_PROBLEMS = 200
# Nobody reads more than a screen of warnings.
MAX_WARNINGS = 20
# Any prompt this short is within the limit; a longer one is checked.
_SURELY_SHORT = 1_000
# Whoever watches hears of every so many combinations of one row.
_WATCHED = 1_000
_64_BITS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Survey:
    """The findings: mistakes that stop the run, warnings that don't, and the plan's keys.

    A ``lasting`` one holds as long as manifest, rows and catalogue are the same: it depends on no other file.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    outline: KeyList
    lasting: bool


class Surveyor:
    """Surveys one plan: call :meth:`row` with every row, then :meth:`found`. ``factories`` gives those of a row."""

    def __init__(
        self,
        manifest: Manifest,
        catalogue_check: CatalogueCheck,
        rules: tuple[Mapping[str, str], ...],
        factories: Callable[[Row], Iterable[RequestFactory]],
        inputs: Inputs,
        watch: Callable[[int], None] | None = None,
    ) -> None:
        self._manifest = manifest
        self._catalogue_check = catalogue_check
        self._rules = rules
        self._idle_rules = list(rules)
        self._factories = factories
        self._watch = watch
        self._check_row = RowCheck(manifest.rows.columns, manifest.parameters, manifest.row_rules)
        self._check_cells = CellCheck.of(manifest.rows, manifest.row_rules)
        self._picture_check = PictureCheck(manifest.folder, allow_outside=manifest.allow_outside)
        self._input_survey = InputSurvey(manifest, inputs)
        self._problems: dict[Problem, None] = {}
        self._warnings: dict[str, Problem] = {}
        self._told: dict[tuple[str, str], dict[str, Problem]] = {}
        self._refused: set[str] = set()
        self._keys = KeyList()
        self._alike: dict[tuple[str, ...], tuple[PromptKeys, ...]] = {}
        self._reads_inputs = False
        path = manifest.output.path
        self._names = CompactSet(with_values=True) if path is not None and "key" not in path.names else None

    @property
    def full(self) -> bool:
        """Whether enough mistakes were found to stop reading."""
        return len(self._problems) >= MAX_PROBLEMS

    @property
    def count(self) -> int:
        """Return how many requests were found so far."""
        return len(self._keys)

    def row(self, row: Row) -> None:
        """Check one row, in every combination."""
        shape = tuple(row.values)
        sound = self._check_cells(row, shape)
        if sound and (alike := self._alike.get(shape)) and self._add_ordinary(row, alike):
            return
        if (problems := self._check_row(row)) or not sound:
            self._problems.update(dict.fromkeys(problems))
            for message in self._picture_check(row.values):
                self._input_refused(message, row)
            return
        factories = self._factories(row)
        for made, factory in enumerate(factories):
            if self._watch and made and made % _WATCHED == 0:
                self._watch(self.count)
            if self._rules:
                self._idle_rules = [rule for rule in self._idle_rules if not factory.drops(row, (rule,))]
                if factory.drops(row, self._rules):
                    continue
            try:
                self._request(row, factory)
            except UsageError as error:
                self._problem(str(error), row)
                if self.full:
                    return
        if shape not in self._alike and not self._problems:
            self._note_alike(shape, factories)

    def broken(self, error: ManifestError) -> None:
        """Note the mistakes of rows that can't be read."""
        self._problems.update(dict.fromkeys(error.problems))

    def note(self, odd: Problem) -> None:
        """Note what is odd and stops nothing."""
        self._warnings.setdefault(str(odd), odd)

    def found(self) -> Survey:
        """Return the survey of all rows so far."""
        for odd in unmatched_rows(self._manifest, self._idle_rules):
            self.note(odd)
        return self.found_in_part(self._keys.count_by_model())

    def found_in_part(self, counts: Mapping[str, int]) -> Survey:
        """Return the survey of a sample of a plan that has so many requests to each model."""
        self._problems.update(dict.fromkeys(self._check_cells.mistakes()))
        if not any(counts.values()) and not self._problems:
            message = "every combination is excluded: nothing to generate; remove a rule under 'exclude:'"
            self._problems[Problem(message, str(self._manifest.source))] = None
        for model, count in counts.items():
            if model.endswith(FREE_SUFFIX) and count > FREE_A_DAY:
                self._warn(f"{counted(count, 'request')} to {model}: free models give {FREE_A_DAY} pictures a day", "")
        for mistake in self._input_survey.decoded():
            self._input_refused(mistake.message, mistake.row)
        for odd in (
            *self._input_survey.notices(),
            *self._check_row.notices,
            *self._check_cells.notices(),
            *loader_notices(self._manifest, self._check_row.names),
        ):
            self.note(odd)
        return Survey(
            tuple(self._problems),
            (*self._of_catalogue(), *self._warnings.values())[:MAX_WARNINGS],
            self._keys,
            lasting=not self._problems and not self._reads_inputs,
        )

    def _request(self, row: Row, factory: RequestFactory) -> None:
        call = factory.call(row)
        for one in (*call.image, *((call.mask,) if call.mask else ())):
            if message := refusal(one):
                self._input_refused(message, row)
        if call.image or call.mask:
            for message in self._input_survey.saw(call, row):
                self._input_refused(message, row)
        prompt = call.parameters.get("prompt")
        if prompt is None:
            if not call.image:
                raise BadRequest("no prompt; give a `prompt` column, a `prompt:` template or --prompt")
        elif not _is_ordinary(prompt) and (message := check_value("prompt", prompt)):
            # Every other value was checked in its row or the manifest; a prompt is made here.
            raise BadRequest(message)
        if not factory.alike:
            self._check_catalogue(call, row)
        elif not factory.judged:
            factory.judged = True
            self._check_catalogue(call, None)
        keys = factory.keys(row, call)
        position = len(self._keys)
        self._keys.add(call.model, keys)
        self._reads_inputs = self._reads_inputs or bool(call.image or call.mask)
        if self._names is not None:
            self._check_names(factory.paths(row, call, keys), position, self._names)

    def _add_ordinary(self, row: Row, alike: Sequence[PromptKeys]) -> bool:
        """Add the keys of a row whose prompt is an ordinary one; return whether it is."""
        prompt = alike[0].prompt_of(row)
        if not _is_ordinary(prompt):
            return False
        written = encoded(prompt)
        for one in alike:
            self._keys.add(one.model, one.keys(written))
        return True

    def _note_alike(self, shape: tuple[str, ...], factories: Iterable[RequestFactory]) -> None:
        """Note, after a row without mistakes, whether others of its shape need a check of the prompt only."""
        if not isinstance(factories, tuple):
            return
        looked_at = self._rules or self._names is not None or not self._check_row.checked(shape) <= {"prompt"}
        alike = [] if looked_at else [one.prompt_keys() for one in factories if one.judged]
        found = tuple(one for one in alike if one is not None)
        self._alike[shape] = found if len(found) == len(factories) else ()

    def _check_catalogue(self, call: Call, row: Row | None) -> None:
        for objection in self._catalogue_check.objections(_asked(call)):
            # What no row says is wrong in the manifest, once, and not in each of its rows.
            at = row if row is not None and row.values.keys() & {"model", objection.about} else None
            place = self._place(at)
            if objection.about == "model":
                # A table of pictures or sizes is no place for a model that the manifest names.
                place = self._manifest.places.get(("model", call.model), place)
            if objection.refused:
                if objection.about != "model" or objection.message not in self._refused:
                    self._problems[Problem(objection.message, place)] = None
                self._refused.add(objection.message)
            else:
                told = self._told.setdefault((call.model, objection.about), {})
                told.setdefault(objection.message, Problem(objection.message, place))

    def _of_catalogue(self) -> Iterator[Problem]:
        """Yield what the catalogue says of each model, once for each parameter."""
        for told in self._told.values():
            first, *others = told.values()
            more = f" (so it is with {counted(len(others), 'other value')})" if others else ""
            yield replace(first, message=first.message + more)

    def _check_names(self, paths: Sequence[str], position: int, names: CompactSet) -> None:
        numbers = self._keys.numbers
        for mine, path in enumerate(paths, position):
            first = names.first(hash(folded(path)) & _64_BITS, mine)
            # Equal requests share one key, one picture and so one name.
            if first is not None and numbers[first] != numbers[mine]:
                raise BadRequest(
                    f"output path {path!r} is used by two different requests; "
                    "add an axis, a column or {repeat} to `output.path`"
                )

    def _input_refused(self, message: str, row: Row) -> None:
        """Report a picture that can't be sent once, at its first row: an axis may give it to every row."""
        if message not in self._refused:
            self._refused.add(message)
            self._problem(message, row if row.values.keys() & {"image", "mask"} else None)

    def _problem(self, message: str, row: Row | None) -> None:
        self._problems[Problem(message, self._place(row))] = None

    def _warn(self, message: str, place: str) -> None:
        self._warnings.setdefault(message, Problem(message, place))

    def _place(self, row: Row | None) -> str:
        """Return the location of a mistake: the row, or the manifest for all rows."""
        return (row.place if row else "") or str(self._manifest.source)


def _is_ordinary(prompt: str) -> bool:
    """Return whether a prompt passes the check that almost every one passes, in a tenth of the time."""
    return 0 < len(prompt) <= _SURELY_SHORT and prompt.isprintable() and not prompt.isspace()


def _asked(call: Call) -> Asked:
    asked = call.parameters
    return Asked(
        call.model,
        call.kind,
        asked.get("size"),
        asked.get("quality"),
        asked.get("seconds"),
        len(call.image),
        call.mask is not None,
    )
