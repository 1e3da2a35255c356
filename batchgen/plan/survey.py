"""One reading of a whole plan before anything is sent: every mistake in it, what is odd about it, and its size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from batchgen.errors import ManifestError, Problem, UsageError
from batchgen.manifest import Manifest, Row, RowCheck, check_value
from batchgen.plan.inputs import InputRefused
from batchgen.plan.naming import folded
from batchgen.plan.offer import FREE_A_DAY, FREE_SUFFIX, Asked, Offer
from batchgen.plan.recipe import BadRequest, Call, Recipe
from batchgen.plan.seen import Seen

# A manifest with more mistakes than this is not read to its end to list them all.
MAX_PROBLEMS = 200
# More than a screen of warnings is read by nobody.
MAX_WARNINGS = 20
# Any prompt this short is short enough; of a longer one the limit is looked up.
_SURELY_SHORT = 1_000


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found: mistakes that stop the run, warnings that don't, and how many requests each model gets."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    by_model: Mapping[str, int]


class Surveyor:
    """Surveys one plan. Feed it every row with its recipes, then take what it :meth:`found`."""

    def __init__(self, manifest: Manifest, offer: Offer, rules: tuple[Mapping[str, str], ...]) -> None:
        self._manifest = manifest
        self._offer = offer
        self._rules = rules
        self._check_row = RowCheck(manifest.rows.columns)
        self._problems: dict[Problem, None] = {}
        self._warnings: dict[str, Problem] = {}
        self._refused: set[str] = set()
        self._counts: Counter[str] = Counter()
        path = manifest.output.path
        self._names = Seen(with_values=True) if path is not None and "key" not in path.names else None

    @property
    def full(self) -> bool:
        """Whether enough mistakes were found to stop reading."""
        return len(self._problems) >= MAX_PROBLEMS

    def row(self, row: Row, recipes: Iterable[Recipe]) -> None:
        """Looks at one row, in every combination."""
        if problems := self._check_row(row):
            self._problems.update(dict.fromkeys(problems))
            return
        for recipe in recipes:
            if self._rules and recipe.drops(row, self._rules):
                continue
            try:
                self._request(row, recipe)
            except InputRefused as error:
                self._input_refused(str(error), row)
            except UsageError as error:
                self._problem(str(error), row)
                if self.full:
                    return

    def broken(self, error: ManifestError) -> None:
        """Rows that can't be read."""
        self._problems.update(dict.fromkeys(error.problems))

    def found(self) -> Survey:
        """Everything that was found."""
        if not self._counts and not self._problems:
            message = "every combination is excluded: nothing to generate"
            self._problems[Problem(message, str(self._manifest.source))] = None
        for model, count in self._counts.items():
            if model.endswith(FREE_SUFFIX) and count > FREE_A_DAY:
                self._warn(f"{count:,} requests to {model}: free models give {FREE_A_DAY} pictures a day", "")
        return Survey(tuple(self._problems), tuple(self._warnings.values())[:MAX_WARNINGS], dict(self._counts))

    def _request(self, row: Row, recipe: Recipe) -> None:
        call = recipe.call(row)
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
        self._counts[call.model] += recipe.repeat(row)
        if self._names is not None:
            self._check_names(row, recipe, self._names)

    def _hold_against_offer(self, call: Call, row: Row | None) -> None:
        for objection in self._offer.objections(_asked(call)):
            if objection.refused:
                self._problem(objection.message, row)
            else:
                self._warn(objection.message, self._place(row))

    def _check_names(self, row: Row, recipe: Recipe, names: Seen) -> None:
        for request in recipe.requests(row, 0):
            assert request.path is not None
            name = blake2b(folded(request.path).encode(), digest_size=8).hexdigest()
            key = int(request.key[:16], 16)
            # Equal requests share one key, one picture and so one name.
            if names.first(name, key) not in (None, key):
                raise BadRequest(
                    f"output path {request.path!r} is used by two different requests; "
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
