"""How a row and a combination become requests: whatever no row changes is made once, for all rows.

A plan of a million rows spends its time here, so work that is the same for every row is kept out of the loop.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from batchgen.errors import BadRequest, nearest
from batchgen.manifest import Manifest, Row, Template, Value, normal_prompt, normalised
from batchgen.planning.catalogue_check import CatalogueCheck
from batchgen.planning.combinations import Combination, matches
from batchgen.planning.inputs import Inputs
from batchgen.planning.naming import named_stem
from batchgen.request import (
    INPUT_PATH_END,
    INPUT_PATHS,
    MASK_PATH,
    CanonicalForm,
    Input,
    Kind,
    Request,
    WireType,
    encoded,
    key_of,
)
from batchgen.request import PARAMETERS as SENT

# By name, as a row gives them: texts, and for `image` perhaps a list.
_Values = Mapping[str, Any]
_INPUTS = frozenset({"image", "mask"})
# Parameters that a catalogue covers.
_IN_CATALOGUE = _INPUTS | {"model", "size", "quality", "seconds"}


class Call(msgspec.Struct, frozen=True, gc=False):
    """A row and a combination, resolved: everything of a request but its repeat number and its key."""

    model: str
    kind: Kind
    parameters: Mapping[str, str]
    image: tuple[Input, ...]
    mask: Input | None
    columns: Mapping[str, str]


class PromptKeys:
    """Makes the keys of one combination, for rows that make the prompt and change nothing else in a key."""

    def __init__(self, model: str, template: Template | None, form: CanonicalForm, repeats: range) -> None:
        self.model = model
        self._template, self._form, self._repeats = template, form, repeats

    def prompt_of(self, row: Row) -> str:
        """Return the row's prompt, which is the same in every combination."""
        values: Mapping[str, Any] = row.values
        return normal_prompt(self._template.render(values) if self._template else values["prompt"])

    def keys(self, prompt: bytes) -> list[str]:
        """Return the keys of a row's requests; ``prompt`` is the row's, as :func:`encoded`."""
        filled, pieces = self._form.filled, (prompt,)
        return [key_of(filled(pieces, repeat)) for repeat in self._repeats]


class RequestFactory:
    """Makes the requests of one combination, for rows that all have the columns ``shape``.

    ``model`` is the model of every one of them, or ``None`` if each row may name its own. ``alike`` says that a
    catalogue judges every one the same, and ``judged`` that it has been asked.
    """

    def __init__(
        self,
        manifest: Manifest,
        combination: Combination,
        shape: tuple[str, ...],
        inputs: Inputs,
        catalogue_check: CatalogueCheck,
    ) -> None:
        self._manifest, self._combination, self._shape = manifest, combination, frozenset(shape)
        self._inputs, self._catalogue_check = inputs, catalogue_check
        self._template = manifest.prompt
        self._sent = tuple(dict.fromkeys((*SENT, *manifest.parameters.types)))
        call_names = {*self._sent, *_INPUTS, "model", "repeat"}
        self._above_rows = combination.settings.keys() | manifest.flags.keys()
        # Values that are always the same; `None` if a row, or a template for it, sets them.
        values: dict[str, Value | None] = {
            **manifest.defaults,
            **dict.fromkeys(shape),
            **combination.settings,
            **manifest.flags,
            **({"prompt": None} if manifest.prompt else {}),
        }
        varying = {name for name, value in values.items() if value is None}
        self.alike = not varying & _IN_CATALOGUE
        self.judged = False
        self._row_parameters = tuple(
            name for name in self._sent if name in varying and not (name == "prompt" and self._template)
        )
        self._fixed_parameters = _parameters(self._sent, values)
        self._column_names = tuple(name for name in values if name not in call_names)
        self._needed = frozenset(self._template.names if self._template else ())
        self._has_inputs = bool(_INPUTS & values.keys())
        # Then a row's own values are its columns, with nothing added or left out.
        self._row_says_all = (
            self._column_names == shape
            and self._needed <= self._shape
            and not self._has_inputs
            and not self._above_rows & self._shape
        )
        self._repeat_varies = "repeat" in shape and "repeat" not in manifest.flags
        self._repeats = range(1, manifest.repeat + 1)
        self._varying = varying & call_names - {"repeat"}
        self._types = _wire_types(manifest, values)
        self._only_prompt_varies = self._varying == {"prompt"}
        self._forms: dict[Kind, CanonicalForm] = {}
        # The only form, if the model and so the kind is the same for every row.
        self._form: CanonicalForm | None = None
        self._says_seconds = values.get("seconds") is not None or "seconds" in varying
        self._provider, self._axes = manifest.provider.kind, combination.titles
        self._path_template = manifest.output.path
        named = values.get("model")
        self.model = catalogue_check.resolved(named) if isinstance(named, str) else None
        self._kind = self._kind_of(self.model) if self.model else Kind.IMAGE

    def drops(self, row: Row, rules: tuple[Mapping[str, str], ...]) -> bool:
        """Return whether one of the ``exclude`` rules about a row's own columns drops this one here."""
        if self._combination.included or not rules:
            return False
        values = self._values(row)
        return any(matches(rule, self._combination.titles, values) for rule in rules)

    def repeat(self, row: Row) -> int:
        """Return how many requests the row makes in this combination."""
        stated = row.values.get("repeat") if self._repeat_varies else None
        return int(stated) if isinstance(stated, str) else self._manifest.repeat

    def model_of(self, row: Row) -> str:
        """Return the model that the row's requests go to. Raise :class:`BadRequest` if it names none."""
        if self.model is not None:
            return self.model
        named = row.values.get("model")
        if not isinstance(named, str):
            raise BadRequest("no model is named; give one under `defaults:`, in a `model` column or with --model")
        return self._catalogue_check.resolved(named)

    def call(self, row: Row) -> Call:
        """Return what the row asks for in this combination. Raise :class:`BadRequest` if that is no request."""
        values: _Values = row.values if self._row_says_all else self._values(row)
        model = self.model or self.model_of(row)
        image, mask = self._inputs_of(values) if self._has_inputs else ((), None)
        columns: _Values = values if self._row_says_all else {name: values[name] for name in self._column_names}
        return Call(
            model,
            self._kind if self.model else self._kind_of(model),
            self._parameters_of(values),
            image,
            mask,
            {**columns, **_as_written(image, mask)} if image or mask else columns,
        )

    def prompt_keys(self) -> PromptKeys | None:
        """Return the fast way to the keys; ``None`` if a row changes more in them than the prompt, or not alone."""
        if self.model is None or self._has_inputs or self._repeat_varies or not self._only_prompt_varies:
            return None
        if self._template and not self._needed <= self._shape - self._above_rows:
            return None
        return PromptKeys(self.model, self._template, self._form_of(self._kind, self.model), self._repeats)

    def keys(self, row: Row, call: Call) -> list[str]:
        """Return the keys of the row's requests; ``call`` is what it asks for."""
        form, pieces = self._filling(call)
        return [key_of(form.filled(pieces, repeat)) for repeat in self._repeats_of(row)]

    def paths(self, row: Row, call: Call, keys: Sequence[str]) -> list[str]:
        """Return the user's names for the pictures of the row's requests, which have these ``keys``."""
        return [self._path(row, call, repeat, key) for repeat, key in enumerate(keys, 1)]

    def requests(self, row: Row, index: int) -> list[Request]:
        """Return the row's requests, the first of them at ``index`` of the whole plan. Raise :class:`BadRequest`."""
        call = self.call(row)
        form, pieces = self._filling(call)
        made = []
        for repeat in self._repeats_of(row):
            canonical = form.filled(pieces, repeat)
            key = key_of(canonical)
            path = self._path(row, call, repeat, key) if self._path_template else None
            # By position: with names it takes twice as long.
            request = Request(
                key,
                canonical,
                self._provider,
                call.kind,
                call.model,
                call.parameters,
                call.image,
                call.mask,
                repeat,
                index,
                row.number,
                call.columns,
                self._axes,
                path,
                self._types,
            )
            made.append(request)
            index += 1
        return made

    def _kind_of(self, model: str) -> Kind:
        return self._manifest.kind or self._catalogue_check.kind(model, says_seconds=self._says_seconds)

    def _values(self, row: Row) -> dict[str, Value]:
        manifest = self._manifest
        return {**manifest.defaults, **row.values, **self._combination.settings, **manifest.flags}

    def _parameters_of(self, values: _Values) -> Mapping[str, str]:
        if self._row_parameters:
            varying = _parameters(self._row_parameters, values)
            fixed = {**varying, **self._fixed_parameters}
        else:
            fixed = self._fixed_parameters
        return fixed if self._template is None else {"prompt": self._prompt(self._template, values), **fixed}

    def _prompt(self, template: Template, values: _Values) -> str:
        if self._has_inputs:
            values = {name: value for name, value in values.items() if isinstance(value, str)}
        try:
            return normal_prompt(template.render(values))
        except KeyError as error:
            raise unknown_name(error.args[0], values) from None

    def _inputs_of(self, values: _Values) -> tuple[tuple[Input, ...], Input | None]:
        image = tuple(self._inputs.resolve(source) for source in _listed(values.get("image")))
        return image, next((self._inputs.resolve(source) for source in _listed(values.get("mask"))), None)

    def _form_of(
        self, kind: Kind, model: str, image: tuple[Input, ...] = (), mask: Input | None = None
    ) -> CanonicalForm:
        if (known := self._forms.get(kind)) is not None:
            return known
        form = self._forms[kind] = CanonicalForm(
            varying=self._varying,
            provider=self._provider,
            kind=kind,
            model=model,
            parameters=self._fixed_parameters,
            image=image,
            mask=mask,
            types=self._types,
        )
        self._form = form if self.model else None
        return form

    def _repeats_of(self, row: Row) -> range:
        return range(1, self.repeat(row) + 1) if self._repeat_varies else self._repeats

    def _filling(self, call: Call) -> tuple[CanonicalForm, tuple[bytes, ...]]:
        """Return the form of the canonical JSON, and what fills its slots."""
        form = self._form or self._form_of(call.kind, call.model, call.image, call.mask)
        if self._only_prompt_varies:
            return form, (encoded(call.parameters["prompt"]),)
        asked: dict[str, object] = {**call.parameters, "model": call.model, "image": [one.digest for one in call.image]}
        if call.mask is not None:
            asked["mask"] = call.mask.digest
        return form, tuple(encoded(asked[name]) for name in form.slots)

    def _path(self, row: Row, call: Call, repeat: int, key: str) -> str:
        assert self._path_template is not None
        values = {
            **call.parameters,
            **call.columns,
            **self._axes,
            "model": call.model,
            "repeat": str(repeat),
            "row": str(row.number),
            "key": key,
        }
        try:
            return named_stem(self._path_template, values)
        except KeyError as error:
            raise unknown_name(error.args[0], values) from None


def unknown_name(name: str, known: Mapping[str, object]) -> BadRequest:
    """Return the error for a name that a template uses and nothing sets."""
    hint = nearest(name, known) or f"known here: {', '.join(sorted(known)) or 'none'}"
    return BadRequest(f"a template uses {{{name}}}, but no row, axis or default sets {name!r}; {hint}")


def _parameters(names: Sequence[str], values: Mapping[str, Value | None]) -> dict[str, str]:
    """Return the parameters of these ``names`` among the values, as they are sent."""
    return {name: str(normalised(name, value)) for name in names if isinstance(value := values.get(name), str)}


def _wire_types(manifest: Manifest, values: Mapping[str, object]) -> Mapping[str, WireType]:
    """Return the types of those parameters of a request that are no text."""
    types = manifest.parameters.types.items()
    return {name: kind for name, kind in types if name in values and kind is not WireType.TEXT}


def _as_written(image: tuple[Input, ...], mask: Input | None) -> dict[str, str]:
    """Return the columns that say which inputs were asked for: their paths, addresses, or how a data URI begins."""
    written = {INPUT_PATHS: INPUT_PATH_END.join(one.source for one in image)} if image else {}
    return written | ({MASK_PATH: mask.source} if mask else {})


def _listed(value: Value | None) -> tuple[str, ...]:
    if not value:
        return ()
    return (value,) if isinstance(value, str) else tuple(value)
