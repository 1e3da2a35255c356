"""One reading of a whole plan before anything is sent: every mistake in it, what is odd about it, and its size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from batchgen.errors import ManifestError, Problem, UsageError
from batchgen.manifest import Manifest, PictureCheck, Row, RowCheck, check_value
from batchgen.planning.catalogue_check import FREE_A_DAY, FREE_SUFFIX, Asked, CatalogueCheck
from batchgen.planning.compact_set import CompactSet
from batchgen.planning.inputs import refusal
from batchgen.planning.key_list import KeyList
from batchgen.planning.naming import folded
from batchgen.planning.request_factory import BadRequest, Call, RequestFactory
from batchgen.planning.unmatched import unmatched_rows
from batchgen.request import encoded

# A manifest with more mistakes than this is not read to its end to list them all.
MAX_PROBLEMS = 200
# More than a screen of warnings is read by nobody.
MAX_WARNINGS = 20
# Any prompt this short is short enough; of a longer one the limit is looked up.
_SURELY_SHORT = 1_000
_64_BITS = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found: mistakes that stop the run, warnings that don't, and the plan in outline.

    A ``lasting`` one is true as long as manifest, rows and catalogue are the same: no other file had a say in it.
    """

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    outline: KeyList
    lasting: bool


class Surveyor:
    """Surveys one plan, whose ``recipes`` of a row it asks for. Feed it every row, then take what it :meth:`found`."""

    def __init__(
        self,
        manifest: Manifest,
        offer: CatalogueCheck,
        rules: tuple[Mapping[str, str], ...],
        recipes: Callable[[Row], Iterable[RequestFactory]],
    ) -> None:
        self._manifest = manifest
        self._offer = offer
        self._rules = rules
        self._idle_rules = list(rules)
        self._recipes = recipes
        self._check_row = RowCheck(manifest.rows.columns)
        self._picture_check = PictureCheck(manifest.folder, allow_outside=manifest.allow_outside)
        self._problems: dict[Problem, None] = {}
        self._warnings: dict[str, Problem] = {}
        self._refused: set[str] = set()
        self._outline = KeyList()
        self._alike: dict[tuple[str, ...], tuple[RequestFactory, ...]] = {}
        self._reads_inputs = False
        path = manifest.output.path
        self._names = CompactSet(with_values=True) if path is not None and "key" not in path.names else None

    @property
    def full(self) -> bool:
        """Whether enough mistakes were found to stop reading."""
        return len(self._problems) >= MAX_PROBLEMS

    def row(self, row: Row) -> None:
        """Looks at one row, in every combination."""
        shape = tuple(row.values)
        if (alike := self._alike.get(shape)) and self._surely_sound(row, alike):
            return
        if problems := self._check_row(row):
            self._problems.update(dict.fromkeys(problems))
            for message in self._picture_check(row.values):
                self._input_refused(message, row)
            return
        recipes = self._recipes(row)
        for recipe in recipes:
            if self._rules:
                self._idle_rules = [rule for rule in self._idle_rules if not recipe.drops(row, (rule,))]
                if recipe.drops(row, self._rules):
                    continue
            try:
                self._request(row, recipe)
            except UsageError as error:
                self._problem(str(error), row)
                if self.full:
                    return
        if shape not in self._alike and not self._problems:
            self._note_alike(shape, recipes)

    def broken(self, error: ManifestError) -> None:
        """Rows that can't be read."""
        self._problems.update(dict.fromkeys(error.problems))

    def found(self) -> Survey:
        """Everything that was found."""
        counts = self._outline.count_by_model()
        if not counts and not self._problems:
            message = "every combination is excluded: nothing to generate"
            self._problems[Problem(message, str(self._manifest.source))] = None
        for model, count in counts.items():
            if model.endswith(FREE_SUFFIX) and count > FREE_A_DAY:
                self._warn(f"{count:,} requests to {model}: free models give {FREE_A_DAY} pictures a day", "")
        for odd in unmatched_rows(self._manifest, self._idle_rules):
            self._warnings.setdefault(odd.message, odd)
        return Survey(
            tuple(self._problems),
            tuple(self._warnings.values())[:MAX_WARNINGS],
            self._outline,
            lasting=not self._problems and not self._reads_inputs,
        )

    def _request(self, row: Row, recipe: RequestFactory) -> None:
        call = recipe.call(row)
        for one in (*call.image, *((call.mask,) if call.mask else ())):
            if message := refusal(one):
                self._input_refused(message, row)
        prompt = call.parameters.get("prompt")
        if prompt is None:
            if not call.image:
                raise BadRequest("no prompt; give a `prompt` column, a `prompt:` template or --prompt")
        elif not _surely_sound(prompt) and (message := check_value("prompt", prompt)):
            # Every other value was checked where it stands; a prompt is made here.
            raise BadRequest(message)
        if not recipe.alike:
            self._hold_against_offer(call, row)
        elif not recipe.judged:
            recipe.judged = True
            self._hold_against_offer(call, None)
        keys = recipe.keys(row, call)
        position = len(self._outline)
        self._outline.add(call.model, keys)
        self._reads_inputs = self._reads_inputs or bool(call.image or call.mask)
        if self._names is not None:
            self._check_names(recipe.paths(row, call, keys), position, self._names)

    def _surely_sound(self, row: Row, recipes: Sequence[RequestFactory]) -> bool:
        """Takes a row that makes a sound prompt and changes nothing else: an earlier row was found in order."""
        prompt = recipes[0].prompt_of(row)
        if not _surely_sound(prompt):
            return False
        written = encoded(prompt)
        for recipe in recipes:
            self._outline.add(recipe.model or "", recipe.keys_with(written))
        return True

    def _note_alike(self, shape: tuple[str, ...], recipes: Iterable[RequestFactory]) -> None:
        """Once a row was found in order: whether nothing but the prompt has to be looked at in others of its shape."""
        if not isinstance(recipes, tuple):
            return
        looked_at = self._rules or self._names is not None or not self._check_row.checked(shape) <= {"prompt"}
        alike = not looked_at and all(one.is_prompt_all and one.judged for one in recipes)
        self._alike[shape] = recipes if alike else ()

    def _hold_against_offer(self, call: Call, row: Row | None) -> None:
        for objection in self._offer.objections(_asked(call)):
            if objection.refused:
                self._problem(objection.message, row)
            else:
                self._warn(objection.message, self._place(row))

    def _check_names(self, paths: Sequence[str], position: int, names: CompactSet) -> None:
        numbers = self._outline.numbers
        for mine, path in enumerate(paths, position):
            first = names.first(hash(folded(path)) & _64_BITS, mine)
            # Equal requests share one key, one picture and so one name.
            if first is not None and numbers[first] != numbers[mine]:
                raise BadRequest(
                    f"output path {path!r} is used by two different requests; "
                    "add an axis, a column or {repeat} to `output.path`"
                )

    def _input_refused(self, message: str, row: Row) -> None:
        """A picture that can't be sent is told once, where it is first asked for: an axis may give it to every row."""
        if message not in self._refused:
            self._refused.add(message)
            self._problem(message, row if row.values.keys() & {"image", "mask"} else None)

    def _problem(self, message: str, row: Row | None) -> None:
        self._problems[Problem(message, self._place(row))] = None

    def _warn(self, message: str, place: str) -> None:
        self._warnings.setdefault(message, Problem(message, place))

    def _place(self, row: Row | None) -> str:
        """Where a mistake stands: in a row, or in what the manifest says of all of them."""
        return (row.place if row else "") or str(self._manifest.source)


def _surely_sound(prompt: str) -> bool:
    """What holds for almost every prompt and takes a tenth of the whole check."""
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
