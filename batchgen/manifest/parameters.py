"""The parameters a manifest's service takes: those of its kind, and those that ``provider.parameters`` declares."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from batchgen.manifest.values import PARAMETERS, Value, check_text, check_value
from batchgen.request import OPENAI_PARAMETERS, WireType
from batchgen.wording import printable, shown

_OF_KIND: Mapping[str, Mapping[str, WireType]] = {"openai": OPENAI_PARAMETERS}
# What dall-e models call their qualities; they are taken, and not advised to whoever mistypes one of today's.
_OLD_WORDS = {("openai", "quality", "standard"), ("openai", "quality", "hd")}

# What a manifest can't declare anew: these are read by this program, not only handed on.
FIXED = frozenset({"prompt", "model", "image", "mask", "repeat"})

_WRITTEN = {
    WireType.INTEGER: (re.compile("-?(0|[1-9][0-9]*)", re.ASCII), "a whole number such as 50"),
    WireType.NUMBER: (re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?", re.ASCII), "a number such as 7.5"),
    WireType.BOOLEAN: (re.compile("true|false"), "'true' or 'false'"),
}
# Longer ones are no number that a service could mean.
_LONGEST_NUMBER = 40


@dataclass(frozen=True, slots=True)
class Parameters:
    """Every parameter of one manifest: of every kind, of its own ``kind``, and those ``added`` by the manifest.

    ``variables`` are the names that the prompt's template uses: one of them is never sent, unless every kind has it.
    """

    kind: str = "imagerouter"
    added: Mapping[str, WireType] = field(default_factory=dict)
    variables: frozenset[str] = frozenset()
    types: Mapping[str, WireType] = field(init=False)

    def __post_init__(self) -> None:
        types = {name: kind for name, kind in self._known.items() if name not in self.unsent}
        object.__setattr__(self, "types", types)

    @property
    def _known(self) -> Mapping[str, WireType]:
        return {**_OF_KIND.get(self.kind, {}), **self.added}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all parameters that are sent: what every kind has, then what is declared."""
        return tuple(dict.fromkeys((*PARAMETERS, *self.types)))

    @property
    def unsent(self) -> tuple[str, ...]:
        """The names that are declared and that the template makes variables."""
        return tuple(name for name in self._known if name in self.variables and name not in PARAMETERS)

    def check(self, name: str, value: Value) -> str | None:
        """Return what is wrong with the value of a parameter or variable and what is allowed; else ``None``."""
        kind = self.types.get(name)
        if kind is None:
            return None if (self.kind, name, value) in _OLD_WORDS else check_value(name, value)
        # The type that a manifest declares takes the place of our own rule.
        return check_text(name, value) or (_typed_problem(name, value, kind) if isinstance(value, str) else None)


def _typed_problem(name: str, value: str, kind: WireType) -> str | None:
    if kind is WireType.TEXT:
        return f"{printable(name)} is blank" if not value.strip() else None
    written, example = _WRITTEN[kind]
    if written.fullmatch(value) and len(value) <= _LONGEST_NUMBER:
        return None
    return f"{printable(name)} is declared as {kind} and must be {example}, found {shown(value)}"
