"""The list of everything that can be switched on, for people."""

from collections.abc import Iterator
from textwrap import wrap
from typing import get_args

from batchgen.simulator.error_answers import ERRORS
from batchgen.simulator.faults import CHOICES, FaultKind, Transfer

_WIDTH = 100


def fault_list() -> str:
    """Return the kinds, the choices of an odd answer, and the errors with their status and whether they are billed."""
    odd = {option: names for option, names in CHOICES.items() if option != "error"}
    lines = ["kind:", *_names(get_args(FaultKind)), "", "kind odd_answer, any of these together:"]
    for option, names in {**odd, "transfer": get_args(Transfer)[1:]}.items():
        lines += [f"  {option}:", *(f"  {line}" for line in _names(tuple(names)))]
    lines += ["", "kind error_answer, error:", *_errors()]
    return "\n".join(lines) + "\n"


def _names(names: tuple[str, ...]) -> Iterator[str]:
    return (f"  {line}" for line in wrap(", ".join(names), _WIDTH))


def _errors() -> Iterator[str]:
    width = max(map(len, ERRORS))
    for name, answer in ERRORS.items():
        yield f"  {name:{width}}  {answer.status}{'  billed' if answer.billed else ''}"
