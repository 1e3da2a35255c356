"""Entries of a manifest that match nothing in its plan: most often a misspelt name.

It stops nothing: a base manifest may say more than each job on top of it needs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from itertools import islice

from batchgen.errors import ManifestError, Problem, nearest
from batchgen.manifest import Manifest
from batchgen.planning.catalogue_check import CatalogueCheck, near_names
from batchgen.planning.combinations import Combinations
from batchgen.wording import printable, shown

_NAMED = 3
# Rows that are searched for the value that was probably meant.
_ROWS_LOOKED_AT = 10_000


def unmatched_models(manifest: Manifest, models: Collection[str], catalogue_check: CatalogueCheck) -> Iterator[Problem]:
    """Yield names and globs under `limits.lanes` and `prices` that match none of the plan's ``models``."""
    for lane in manifest.limits.lanes:
        if not any(model == lane.pattern or fnmatchcase(model, lane.pattern) for model in models):
            yield from _unmatched(manifest, "limits.lanes", lane.pattern, models, catalogue_check)
    for name in manifest.prices:
        if catalogue_check.resolved(name) not in models:
            yield from _unmatched(manifest, "prices", name, models, catalogue_check)


def unmatched_combinations(combinations: Combinations) -> Iterator[Problem]:
    """Yield entries of `exclude` that drop none of the combinations."""
    for rule in combinations.idle_rules():
        yield Problem(f"exclude: {_written(rule.choice)} matches no combination", rule.place)


def unmatched_rows(manifest: Manifest, rules: Collection[Mapping[str, str]]) -> Iterator[Problem]:
    """Yield those ``rules`` of `exclude` that dropped no row."""
    for rule in manifest.exclude:
        if rule.choice in rules:
            message = f"exclude: {_written(rule.choice)} matches no row"
            yield Problem(message, rule.place, _value_meant(manifest, rule.choice))


def unsent_parameters(manifest: Manifest) -> Iterator[Problem]:
    """Yield the parameters that are variables here, because the prompt's template uses them."""
    for name in manifest.parameters.unsent:
        message = f"{shown(name)} stands in the prompt's template, so it is a variable, and is not sent as a parameter"
        yield Problem(message, str(manifest.source))


def _unmatched(
    manifest: Manifest, section: str, name: str, models: Collection[str], catalogue_check: CatalogueCheck
) -> Iterator[Problem]:
    place = manifest.places.get((section, name), str(manifest.source))
    resolved, near = catalogue_check.resolved(name), near_names(name.strip("*/"), models)
    if resolved != name and resolved in models:
        meant = f"the catalogue calls it {resolved!r}"
    elif near:
        meant = f"did you mean {near[0]!r}?"
    elif not place.startswith(f"{manifest.source}"):
        # A base lists what some of its jobs need.
        return
    else:
        named = ", ".join(map(printable, islice(models, _NAMED))) + (", …" if len(models) > _NAMED else "")
        meant = f"it asks for {named}"
    yield Problem(f"{section}: {shown(name)} matches no model of this plan", place, meant)


def _written(choice: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{printable(name)}: {printable(value)}" for name, value in choice.items()) + "}"


def _value_meant(manifest: Manifest, choice: Mapping[str, str]) -> str:
    columns = {name: wanted for name, wanted in choice.items() if name in (manifest.rows.columns or choice)}
    there: dict[str, set[str]] = {name: set() for name in columns}
    try:
        for row in islice(manifest.rows, _ROWS_LOOKED_AT):
            for name, values in there.items():
                if isinstance(value := row.values.get(name), str):
                    values.add(value)
    except ManifestError:
        return ""
    hints = (nearest(wanted, there[name]) for name, wanted in columns.items() if wanted not in there[name])
    return next(filter(None, hints), "")
